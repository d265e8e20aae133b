"""Additional worker processes on this machine for one step."""

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
from nas.tracking import Guard, make_tracker

Help = Callable[[Context, int], None]
"""A worker's part of a step; the arguments are the run and the worker's number."""


@contextmanager
def helpers(context: Context, help_step: Help, *, workers: int) -> Iterator[Callable[[], bool]]:
    """Starts the workers besides this process, and waits for them after the body.

    The failure of a worker is reported; the other workers do its part.

    Args:
        context: The run.
        help_step: A function at module level, so that a new process can import it.
        workers: Number of workers, including this process.

    Yields:
        A function that returns whether any of the started workers is still running.
    """
    spawn = multiprocessing.get_context("spawn")
    # Daemons end with this process but may not have children, so each decodes its images itself.
    alone = replace(context.config, data=replace(context.config.data, workers=0))
    arguments = (help_step, alone, context.run_dir, workers)
    processes = [
        spawn.Process(target=_help, args=(*arguments, number), daemon=True) for number in range(1, workers)
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
    """Ends this process if its parent has died."""
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
    """Limits this process to its share of the cores, one of ``workers``, while the body runs."""
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
            help_step(Context(config, run_dir, Guard(inner=make_tracker({"name": "none"}))), number)
    except KeyboardInterrupt:
        sys.exit(1)
    except UserError as fault:
        error(str(fault), prefix=f"worker {number}: ")
        sys.exit(1)
