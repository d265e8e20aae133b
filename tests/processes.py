"""Commands in processes of their own that need not import PyTorch again, which takes three seconds each time.

A server imports what every command imports, and forks a process for each of them. Nothing that a test has
loaded into its own process reaches them.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess

PRELOADED = ["nas.cli.commands", "nas.training", "onnxruntime", "torchvision", "torch._dynamo"]
"""What commands import, PyTorch's compiler included: its optimizers load it."""


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def python(
    *words: str, folder: Path, path: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Runs ``python WORDS`` in a folder, and returns what it printed and its exit code.

    Args:
        words: ``-c CODE``, ``-m MODULE ARGUMENTS`` or ``SCRIPT ARGUMENTS``.
        folder: The folder that it works in.
        path: Folders that Python looks for modules in, before others.
        environment: Variables besides those of this process.
    """
    with tempfile.TemporaryDirectory() as place:
        process = _server().Process(
            target=_run, args=(words, str(folder), list(path), {**os.environ, **(environment or {})}, place)
        )
        process.start()
        process.join()
        out, err = ((Path(place) / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return CompletedProcess(words, process.exitcode or 0, out, err)


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
