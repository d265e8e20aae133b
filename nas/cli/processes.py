"""One command in several processes: the rank of this process, and steps that all processes run together.

The processes are started by ``torchrun``, Slurm's ``srun``, or submitit (used by Hydra's launchers). The
first process leads: it alone writes, logs and records a step; the others share the step's work.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from nas.pipeline import Step, execute

_VARIABLES = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),  # torchrun
    # Of the job step, not of the job: a batch script is one process, regardless of the job's tasks.
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
    ("SUBMITIT_LOCAL_GLOBALID", "SUBMITIT_LOCAL_NTASKS", "SUBMITIT_LOCAL_LOCALID"),  # submitit on one machine
)
_PORTS = range(20_000, 40_000)


@final
@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of this process among all.

    Attributes:
        index: Rank of the process, from 0.
        count: Number of processes.
        local_index: Rank among the processes of its machine.
    """

    index: int = 0
    count: int = 1
    local_index: int = 0

    @property
    def leads(self) -> bool:
        return self.index == 0


def place() -> Place:
    """Reads the place of this process from its launcher's environment variables."""
    for names in _VARIABLES:
        values = [os.environ.get(name, "") for name in names]
        if all(value.isdigit() for value in values):
            index, count, local_index = map(int, values)
            if count > 1:
                return Place(index=index, count=count, local_index=local_index)
    return Place()


def meeting_point() -> str | None:
    """Returns the rendezvous address; ``None`` if ``MASTER_ADDR`` and ``MASTER_PORT`` set it."""
    if "MASTER_ADDR" in os.environ:
        return None
    hosts = os.environ.get("SLURM_STEP_NODELIST", "127.0.0.1")  # such as a[03-07,09],b1
    first = re.match(r"([^,\[]+)(?:\[(\d+))?", hosts)
    assert first is not None, hosts
    job = os.environ.get("SLURM_JOB_ID") or os.environ.get("SUBMITIT_LOCAL_JOB_ID", "0")
    return f"tcp://{first[1]}{first[2] or ''}:{_PORTS[int(job) % len(_PORTS)]}"


@contextmanager
def together(torch_device: str) -> Iterator[None]:
    """Joins the other processes of this command while the body runs."""
    here = place()
    if here.count == 1:
        yield
        return
    from nas.training.distributed import joined

    with joined(
        here.index,
        count=here.count,
        local_index=here.local_index,
        device=torch_device,
        meeting_point=meeting_point(),
    ):
        yield


def execute_together(step: Step) -> bool:
    """Executes a step unless its results exist; returns whether it ran.

    The leader records the step and broadcasts whether it has to run.
    """
    from nas.training.distributed import Processes

    processes = Processes.current()
    if processes.count == 1:
        return execute(step)
    if not processes.leads:
        if is_work := bool(processes.leaders(0)):
            step.run(step.partial)
        return is_work
    is_announced = False

    def run(folder: Path) -> None:
        nonlocal is_announced
        is_announced = True
        processes.leaders(1)
        step.run(folder)

    try:
        return execute(replace(step, run=run))
    finally:
        if not is_announced:
            processes.leaders(0)
