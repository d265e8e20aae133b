"""Runs converters and runtimes in processes of their own: some print, crash, hang, or write into the home.

``python -m nas.deploy.isolated convert MODULE FUNCTION ARGUMENTS`` is a converter's process; the arguments
are a JSON list. ``… serve MODULE FUNCTION PATH`` loads an artefact, then maps arrays on stdin to arrays on
stdout.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import CannotRunError, ConverterError, FloatImages, Predict
from nas.errors import UserError
from nas.files import require_room

TIMEOUT_S = 900.0
_SHOWN = 300
_RAISED = re.compile(r"(?!Exception ignored)[\w.]*(Error|Exception|Exit|Interrupt)\b")  # as in a traceback


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
        ConverterError: If the function raises, the process dies or takes too long. The message has the line
            of its output that names the fault.
        OSError: If the disk is full.
    """
    given = json.dumps([str(each) if isinstance(each, Path) else each for each in arguments])
    command = [sys.executable, "-m", __name__, "convert", function.__module__, function.__name__, given]
    run_converter(command, log=log, timeout_s=timeout_s)


def run_converter(command: Sequence[str], *, log: Path, timeout_s: float = TIMEOUT_S) -> None:
    """Runs a converter's program, with a home folder of its own.

    Args:
        command: The program and its arguments.
        log: File for everything that it prints.
        timeout_s: Seconds until it is stopped.

    Raises:
        ConverterError: If it fails, dies or takes too long. The message has the line of its output that names
            the fault.
        OSError: If the disk is full.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, log.open("wb") as stream:
        process = _start(command, home=home, log=stream, stdout=stream)
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _stop(process)
    if code != 0:
        require_room(log.parent)  # without room, its output is not in the log
    if code is None:
        raise ConverterError(f"the converter did not finish within {timeout_s:.0f} s; its output is in {log}")
    if code != 0:
        text = log.read_text(encoding="utf-8", errors="replace")
        raise ConverterError(
            f"the converter failed ({_fault(code, text)}); its output is in {log}", output=text
        )


def predict_apart(load: Callable[[Path], Predict], path: Path) -> Predict:
    """Loads and runs an artefact in a process of its own, which ends with the returned function.

    Args:
        load: A function at the top level of an importable module.
        path: The artefact.

    Raises:
        CannotRunError: If ``load`` raises it.
        UserError: If the artefact cannot be loaded or run.
    """
    runtime = _Runtime(load, path)
    runtime.receive()  # an empty array, when the artefact is loaded
    return runtime.predict


class _Runtime:
    """A process that runs an artefact."""

    def __init__(self, load: Callable[[Path], Predict], path: Path) -> None:
        self._path = path
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        home = tempfile.TemporaryDirectory()
        command = [sys.executable, "-m", __name__, "serve", load.__module__, load.__name__, str(path)]
        self._process = _start(command, home=home.name, log=self._log, stdout=subprocess.PIPE)
        self._end = weakref.finalize(self, _end, self._process, home, self._log)

    def predict(self, images: FloatImages) -> NDArray[np.float32]:
        """Runs images (N, C, H, W)."""
        assert self._process.stdin is not None
        try:
            _send(self._process.stdin, images)
        except BrokenPipeError:
            raise self._error() from None
        return self.receive()

    def receive(self) -> NDArray[np.float32]:
        """The next array from the process."""
        assert self._process.stdout is not None
        try:
            return _receive(self._process.stdout)
        except EOFError:
            raise self._error() from None

    def _error(self) -> UserError:
        code = self._process.wait()
        self._log.seek(0)
        fault = _fault(code, self._log.read().decode("utf-8", errors="replace"))
        name = f"{CannotRunError.__module__}.{CannotRunError.__name__}: "
        if fault.startswith(name):
            return CannotRunError(fault.removeprefix(name))
        return UserError(f"{self._path} cannot be run ({fault}); export it again: nas export run_dir=…")


def _start(command: Sequence[str], *, home: str, log: IO[bytes], stdout: Any) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE if stdout is subprocess.PIPE else subprocess.DEVNULL,
        stdout=stdout,
        stderr=log,
        env={**os.environ, "HOME": home, "PYTHONPATH": path, "ORT_DISABLE_TELEMETRY": "1"},
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes], home: tempfile.TemporaryDirectory[str], log: IO[bytes]) -> None:
    for stream in (process.stdin, process.stdout, log):
        if stream is not None:
            stream.close()
    _stop(process)
    home.cleanup()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stops the process and those that it has started."""
    if process.poll() is None:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def _fault(code: int, output: str) -> str:
    """Describes why a process ended: its signal, its exception, or else the last line that it printed."""
    if code == -signal.SIGKILL:
        return "it was killed, perhaps for lack of memory"
    if code < 0:
        return f"it crashed with {signal.Signals(-code).name}"
    lines = [line.rstrip() for line in output.split("\n") if line.strip()]
    raised = [line for line in lines if _RAISED.match(line)]
    return (raised or lines)[-1].strip()[:_SHOWN] if lines else f"exit code {code}"


def _send(stream: IO[bytes], array: NDArray[np.float32]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    stream.write(buffer.tell().to_bytes(8, "big") + buffer.getvalue())
    stream.flush()


def _receive(stream: IO[bytes]) -> NDArray[np.float32]:
    size = stream.read(8)
    if len(size) < 8:
        raise EOFError
    array: NDArray[np.float32] = np.load(io.BytesIO(stream.read(int.from_bytes(size, "big"))))
    return array


def _convert(function: Callable[..., None], arguments: str) -> None:
    function(*json.loads(arguments))


def _serve(load: Callable[[Path], Predict], path: str) -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a runtime prints must not mix with the replies
    predict = load(Path(path))
    answer = np.empty(0, np.float32)
    while True:
        _send(replies, answer)
        try:
            answer = predict(_receive(sys.stdin.buffer))
        except EOFError:
            return


if __name__ == "__main__":
    _task, _module, _function, _argument = sys.argv[1:]
    _called = getattr(importlib.import_module(_module), _function)
    if _task == "convert":
        _convert(_called, _argument)
    else:
        _serve(_called, _argument)
