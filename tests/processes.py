"""Commands in processes of their own that need not import PyTorch again, which takes three seconds each time.

A server imports what every command imports, and forks a process for each of them. Nothing that a test has
loaded into its own process reaches them.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess
from typing import final

ROOT = Path(__file__).resolve().parents[1]

PRELOADED = ["nas.cli.commands", "nas.training", "onnxruntime", "torchvision", "torch._dynamo"]
"""What commands import, PyTorch's compiler included: its optimizers load it."""


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


@final
class Started:
    """A command that runs in a process of its own."""

    def __init__(self, words: Sequence[str], arguments: tuple[object, ...]) -> None:
        self._words, self._place = words, tempfile.TemporaryDirectory()
        self._ended: CompletedProcess[str] | None = None
        self._process = _server().Process(target=_run, args=(words, *arguments, self._place.name))
        self._process.start()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process.pid is not None
        return self._process.pid

    def runs_for(self, seconds: float) -> bool:
        """Waits so long or for the end, and returns whether the process is still running."""
        self._process.join(seconds)
        return self._process.exitcode is None

    def kill(self, *, after_s: float) -> bool:
        """Kills the process, and none that it has started; ``False`` if it has ended before."""
        if not self.runs_for(after_s):
            return False
        self._process.kill()
        return self.wait().returncode == -signal.SIGKILL

    def wait(self) -> CompletedProcess[str]:
        """Waits for the end, and returns what the command printed and its exit code, as often as called."""
        if self._ended is not None:
            return self._ended
        self._process.join()
        files = [Path(self._place.name, name) for name in ("out", "err")]
        out, err = (
            file.read_text(encoding="utf-8", errors="replace") if file.exists() else "" for file in files
        )
        self._place.cleanup()
        self._ended = CompletedProcess(self._words, self._process.exitcode or 0, out, err)
        return self._ended


def start(
    *words: str, folder: Path, path: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Started:
    """Starts ``python WORDS`` in a folder.

    Args:
        words: ``-c CODE``, ``-m MODULE ARGUMENTS`` or ``SCRIPT ARGUMENTS``.
        folder: The folder that it works in.
        path: Folders that Python looks for modules in, before others.
        environment: Variables besides those of this process.
    """
    return Started(words, (str(folder), list(path), {**os.environ, **(environment or {})}))


def python(
    *words: str, folder: Path, path: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Runs a command as ``start`` does, and returns what it printed and its exit code."""
    return start(*words, folder=folder, path=path, environment=environment).wait()


def _run(
    words: Sequence[str], folder: str, path: list[str], environment: Mapping[str, str], place: str
) -> None:
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{place}/{name}", os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    first, rest = words[0], list(words[1:])
    if first in ("-c", "-m"):
        first, rest = f"{first} {rest[0]}" if first == "-c" else rest[0], rest[1:]
    script = first if words[0] not in ("-c", "-m") else ""
    sys.path[:0] = [str(Path(script).parent) if script else folder, *path]
    sys.argv = [first, *rest]
    if words[0] == "-c":
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    elif words[0] == "-m":
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(script, run_name="__main__")


def free_port() -> int:
    """A port of this machine that no program listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
