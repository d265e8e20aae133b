"""Devices reached by the system's ssh client."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import final

from nas.errors import UserError
from nas.latency.targets.transport import Target, Transport, register

_NO_CONNECTION = 255
_NO_COMMAND = 127
_MACHINE = (
    "{ cat /proc/device-tree/model 2>/dev/null || sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1; } "
    "| tr -d '\\0'; echo; uname -m"
)


@final
@register
class Ssh(Transport):
    """ssh. Its configuration determines keys, jump hosts and the checking of host keys."""

    SCHEME = "ssh"
    FOLDER = ".cache/hwnas"

    def configure(self, target: Target) -> None:
        if not target.address or target.address.startswith("-") or any(map(str.isspace, target.address)):
            raise UserError(f"table.host is {target.host!r}; name a host of ssh: table.host=user@pi")
        self._options = ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]
        if target.port is not None:
            self._options += ["-p", str(target.port)]
        if target.identity is not None:
            if not target.identity.is_file():
                raise UserError(
                    f"table.remote.identity: there is no file {target.identity}; name a private key"
                )
            self._options += ["-i", str(target.identity)]
        self._address = target.address

    def argv(self, script: str) -> list[str]:
        return ["ssh", *self._options, "--", self._address, script]

    def copy(self, source: Path, target: str) -> None:
        self.run(f"cat > {shlex.quote(target)}", stdin=source)

    def machine(self) -> str:
        return ", ".join(line for line in self.run(_MACHINE) if line)

    def advice(self, code: int, message: str) -> str:
        if code == _NO_CONNECTION:
            return (
                f"No connection, or it broke: check that `ssh {self._address}` works by itself; the same "
                "command resumes where it stopped"
            )
        if code == _NO_COMMAND:
            return "Install it there, or name the command: table.remote.python=PATH"
        return ""
