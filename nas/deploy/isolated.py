"""Runs converters in processes of their own, because they print, crash, hang, and write into the home folder.

``python -m nas.deploy.isolated MODULE FUNCTION ARGUMENTS`` is such a process; the arguments are a JSON list.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from nas.deploy.formats import ConverterError

TIMEOUT_S = 900.0
_SHOWN = 300


def convert(
    function: Callable[..., None], *arguments: Path | int | None, log: Path, timeout_s: float = TIMEOUT_S
) -> None:
    """Calls a function in a process of its own, with a home folder of its own.

    Args:
        function: A function at the top level of an importable module.
        arguments: Its arguments; paths arrive as strings.
        log: File for everything that the process prints.
        timeout_s: Seconds until the process is stopped.

    Raises:
        ConverterError: If the function raises, the process dies or takes too long. The message has the last
            line of its output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    given = json.dumps([str(each) if isinstance(each, Path) else each for each in arguments])
    command = [sys.executable, "-m", __name__, function.__module__, function.__name__, given]
    with tempfile.TemporaryDirectory() as home, log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=_environment(home),
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _stop(process)
    if code != 0:
        raise ConverterError(f"{_fault(code, log, timeout_s)}; its output is in {log}")


def _environment(home: str) -> dict[str, str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, "HOME": home, "PYTHONPATH": path, "ORT_DISABLE_TELEMETRY": "1"}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stops the process and those that it has started."""
    if process.poll() is None:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def _fault(code: int | None, log: Path, timeout_s: float) -> str:
    if code is None:
        return f"the converter did not finish within {timeout_s:.0f} s"
    if code < 0:
        return f"the converter crashed ({signal.Signals(-code).name})"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {code}")
    return f"the converter failed: {last[:_SHOWN]}"


def _main(module: str, function: str, arguments: str) -> None:
    getattr(importlib.import_module(module), function)(*json.loads(arguments))


if __name__ == "__main__":
    _main(*sys.argv[1:])
