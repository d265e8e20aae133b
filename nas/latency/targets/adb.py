"""Android devices, reached by the Android debug bridge. They have no Python: a benchmark program measures."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import final

from nas.errors import UserError
from nas.latency.targets.transport import Target, Transport, register

_MACHINE = "getprop ro.product.manufacturer; getprop ro.product.model; getprop ro.soc.model"


@final
@register
class Adb(Transport):
    """The system's adb; with one device connected, its serial number may be left out."""

    SCHEME = "adb"
    FOLDER = "/data/local/tmp/hwnas"

    def configure(self, target: Target) -> None:
        if target.binary is None:
            raise UserError(
                "Android has no Python: name a benchmark program that was built for the device, "
                "table.remote.binary=PATH/onnxruntime_perf_test"
            )
        self._options = ["-s", target.address] if target.address else []

    def argv(self, script: str) -> list[str]:
        return ["adb", *self._options, "shell", script]

    def copy(self, source: Path, target: str) -> None:
        command = ["adb", *self._options, "push", str(source), target]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise UserError(
                f"{self.name}: {source.name} cannot be copied: {(done.stderr or done.stdout).strip()}"
            )

    def machine(self) -> str:
        return " ".join(line for line in self.run(_MACHINE) if line)

    def advice(self, code: int, message: str) -> str:
        if "device" in message and any(
            word in message for word in ("found", "no devices", "offline", "authorized")
        ):
            return "Connect it, allow debugging on it, and look at `adb devices`"
        return ""
