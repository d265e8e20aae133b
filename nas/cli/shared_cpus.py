"""A hint while other processes slow down a training on the CPU."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import ClassVar, final

from nas.runner.other_load import OtherPrograms

_EVERY_S = 30.0
_CPUS = 0.5
"""Busy CPUs of other processes from which a training becomes much slower."""
_POLICIES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables that decide how many threads there are and how they wait; a user who has set one has decided."""


@final
class SharedCpus:
    """Watches a training for other processes on its CPUs.

    PyTorch's threads (OpenMP) wait for each other in loops. Where another process holds one of the CPUs, all
    others wait in such loops for the thread that has none, many times in each layer. One thread less is
    faster then (``benchmarks/shared_cpus.py``).

    Args:
        others: Reads the CPUs that other processes keep busy; ``None`` if unknown.
        threads: Reads the threads of this process that wait for each other in loops; 1 if none does.
        clock: Monotonic seconds.
    """

    is_given: ClassVar[bool] = False
    """Whether this process has given the hint."""

    def __init__(
        self,
        *,
        others: Callable[[], float | None] | None = None,
        threads: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._others = others or OtherPrograms().cpus
        self._threads = threads or waiting_threads
        self._clock = clock
        self._next = clock() + _EVERY_S

    def hint(self) -> str:
        """What slows the training down, and what helps; empty if nothing does. A process gives it once."""
        if SharedCpus.is_given or self._clock() < self._next:
            return ""
        self._next = self._clock() + _EVERY_S
        cpus = self._others()
        if cpus is None or cpus < _CPUS or (threads := self._threads()) == 1:
            return ""
        SharedCpus.is_given = True
        fewer = max(threads - math.ceil(cpus - _CPUS), 1)
        return (
            f"note: other processes keep {cpus:.1f} CPUs busy, so that PyTorch's {threads} threads wait for "
            "each other; to train faster beside them, interrupt this command and repeat it with "
            f"OMP_NUM_THREADS={fewer} in front: it continues where it was"
        )


def waiting_threads() -> int:
    """The threads of a training in this process that wait for each other in loops; 1 if none does."""
    import torch

    if torch.cuda.is_available() or any(name in os.environ for name in _POLICIES):
        return 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return 1  # the others are its own
    return torch.get_num_threads()
