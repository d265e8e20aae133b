"""More processes of this machine for one search."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path

from nas.cli.console import CONSOLE, error, say
from nas.cli.steps.context import Context
from nas.config import Config
from nas.errors import UserError
from nas.tracking import make_tracker

Help = Callable[[Context, int], None]
"""Joins the search as the worker of that number."""


@contextmanager
def helpers(context: Context, help_search: Help) -> Iterator[None]:
    """Runs all workers but this process, which is the first, until the body and they have ended.

    A worker that fails is told of, and the others do its part.

    Args:
        context: The run.
        help_search: A function at the top of a module, which a new process can import.
    """
    count = context.config.search.workers - 1
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=_help, args=(help_search, context.config, context.run_dir, number), daemon=True)
        for number in range(1, count + 1)
    ]
    for process in processes:
        process.start()
    try:
        yield
    except BaseException:
        _stop(processes)
        raise
    for process in processes:
        process.join()
    if failed := [process.name for process in processes if process.exitcode != 0]:
        say(f"warning: {len(failed)} of {count + 1} workers failed; the others have done their part")


def check_parent() -> None:
    """Ends this process if the one that started it has died."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        raise SystemExit(1)


def _stop(processes: list[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def _help(help_search: Help, config: Config, run_dir: Path, number: int) -> None:
    import torch

    CONSOLE.quiet = True
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // config.search.workers))
    try:
        help_search(Context(config, run_dir, make_tracker({"name": "none"})), number)
    except KeyboardInterrupt:
        sys.exit(1)
    except UserError as fault:
        error(str(fault), prefix=f"worker {number}: ")
        sys.exit(1)
