"""Android devices, reached by the Android debug bridge. They have no Python: a benchmark program measures."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import final

from nas.errors import UserError
from nas.latency.targets.transport import Target, Transport, register

_MACHINE = "getprop ro.product.manufacturer; getprop ro.product.model; getprop ro.soc.model"
_END = "hwnas: exit code "
_BROKEN = "the connection to the device broke"
_UNREACHABLE = re.compile(
    r"device '.*' not found|no devices|device (offline|unauthorized|still )|permissions for device"
)


@final
@register
class Adb(Transport):
    """The system's adb; with one device connected, its serial number may be left out.

    The client ends with 0 when the connection breaks in the middle of the output, and always on devices
    before Android 7. So a script prints its exit code after its output: without it, the output is incomplete.
    """

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

    def stream(self, script: str, *, stdin: Path | None = None) -> Generator[str, None, None]:
        script = f"({script}\n); code=$?; echo '{_END}'$code; exit $code"
        code = last = ""
        with closing(super().stream(script, stdin=stdin)) as lines:
            for line in lines:
                output, end, code = line.partition(_END)
                if output or not end:
                    last = output
                    yield output
        if not code.isdecimal():
            raise self._failed(0, _BROKEN)
        if int(code) != 0:
            raise self._failed(int(code), last)

    def copy(self, source: Path, target: str) -> None:
        command = ["adb", *self._options, "push", str(source.absolute()), target]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise self._failed(done.returncode, done.stderr + done.stdout)

    def machine(self) -> str:
        return " ".join(line for line in self.run(_MACHINE) if line)

    def advice(self, code: int, message: str) -> str:
        if "more than one device" in message:
            return "Name its serial number, table.host=adb:SERIAL; `adb devices` lists them"
        if _UNREACHABLE.search(message):
            return "Connect it, allow debugging on it, and look at `adb devices`"
        if message == _BROKEN:
            return "The same command resumes where it stopped"
        return ""

    def _failed(self, code: int, printed: str) -> UserError:
        lines = [line.partition(_END)[0] for line in printed.splitlines() if not line.startswith("* daemon")]
        return super()._failed(code, "\n".join(line.removeprefix("adb: ") for line in lines))
