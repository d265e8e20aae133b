"""More processes of this machine for one step."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from pathlib import Path

from nas.cli.screen import CONSOLE, error, say
from nas.cli.steps.context import Context
from nas.config import Config
from nas.errors import UserError
from nas.plugins import load_plugins
from nas.tracking import make_tracker

Help = Callable[[Context, int], None]
"""Does a worker's part of a step; the number is the worker's."""


@contextmanager
def helpers(context: Context, help_step: Help, *, workers: int) -> Iterator[Callable[[], bool]]:
    """Runs all workers but this process, which is the first, until the body and they have ended.

    A worker that fails is told of, and the others do its part.

    Args:
        context: The run.
        help_step: A function at the top of a module, which a new process can import.
        workers: How many there are, with this process.

    Yields:
        A function that says whether one of the others is still at work.
    """
    spawn = multiprocessing.get_context("spawn")
    # They end with this process and so may have no children: each decodes its images itself.
    alone = replace(context.config, data=replace(context.config.data, workers=0))
    given = (help_step, alone, context.run_dir, workers)
    processes = [
        spawn.Process(target=_help, args=(*given, number), daemon=True) for number in range(1, workers)
    ]
    for process in processes:
        process.start()
    try:
        yield lambda: any(process.is_alive() for process in processes)
    except BaseException:
        _stop(processes)
        raise
    for process in processes:
        process.join()
    if failed := [process.name for process in processes if process.exitcode != 0]:
        say(f"warning: {len(failed)} of {workers} workers failed; the others have done their part")


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


@contextmanager
def threads(workers: int) -> Iterator[None]:
    """Gives each of ``workers`` processes its share of the cores while the body runs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // workers))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _help(help_step: Help, config: Config, run_dir: Path, workers: int, number: int) -> None:
    CONSOLE.quiet = True
    try:
        load_plugins(config.modules)
        with threads(workers):
            help_step(Context(config, run_dir, make_tracker({"name": "none"})), number)
    except KeyboardInterrupt:
        sys.exit(1)
    except UserError as fault:
        error(str(fault), prefix=f"worker {number}: ")
        sys.exit(1)
