"""Another Python on this machine, treated as a device."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import final

from nas.latency.targets.transport import Target, Transport, register
from nas.runner.machine import describe_machine

_NO_COMMAND = 127


@final
@register
class Local(Transport):
    """A shell on this machine, with the ``table.remote.python`` of another environment."""

    SCHEME = "local"
    FOLDER = ".cache/hwnas"

    def configure(self, target: Target) -> None:
        if not Path(self.folder).is_absolute():
            self.folder = str(Path.home() / self.folder)

    def argv(self, script: str) -> list[str]:
        return ["sh", "-c", script]

    def copy(self, source: Path, target: str) -> None:
        shutil.copyfile(source, target)

    def machine(self) -> str:
        return describe_machine()

    def advice(self, code: int, message: str) -> str:
        return "Name the command: table.remote.python=PATH" if code == _NO_COMMAND else ""
