"""What scripts of experiments share: a run from settings, and trainings in several processes."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from nas.cli.hydra import schema
from nas.cli.steps.context import Context
from nas.provenance import write_provenance
from nas.tracking import Guard, make_tracker

Job = tuple[Callable[[tuple[str, ...], str], None], str]
"""A function of the settings and a name, and that name."""


def configured(settings: Sequence[str]) -> Context:
    """The run that settings describe, as the command line of ``nas`` would."""
    schema.register()
    with initialize_config_dir(schema.conf_dir(), version_base=schema.VERSION_BASE):
        config = schema.typed(hydra_compose(schema.CONFIG_NAME, list(settings)))
    tracker = Guard(inner=make_tracker(dataclasses.asdict(config.tracker)))
    return Context(config, Path(config.run_dir), tracker)


def record_provenance(base: Context, *, command: str, settings: Sequence[str]) -> None:
    """Writes commit, versions and settings into the run's folder."""
    write_provenance(
        base.run_dir,
        command=command,
        overrides=settings,
        seed=base.config.seed,
        config=dataclasses.asdict(base.config),
        inputs={"search space": base.space_path},
    )


def work(jobs: Sequence[Job], settings: tuple[str, ...], folder: Path, *, processes: int) -> None:
    """Runs jobs in processes that share the CPUs, in their order, and reports each completed one."""
    threads = max((os.cpu_count() or 1) // processes, 1)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # inherited by the processes, which read it with torch
    start = time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    own = (folder, os.getpid())
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_begin, initargs=own) as pool:
        futures = {pool.submit(job, settings, name): f"{job.__name__} {name}" for job, name in jobs}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                future.result()
                minutes = (time.perf_counter() - start) / 60
                print(f"{number}/{len(futures)} after {minutes:.1f} min: {futures[future]}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _begin(folder: Path, parent: int) -> None:
    """Prepares a process: it writes its own log, and ends with its parent."""
    path = folder / f"{multiprocessing.current_process().name}.log"
    sys.stdout = path.open("a", buffering=1, encoding="utf-8")
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    """Ends this process soon after its parent has ended for any reason."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
