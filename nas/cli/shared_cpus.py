"""A hint while other processes slow down a training on the CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import ClassVar, final

from nas.runner.other_load import OtherPrograms

_EVERY_S = 30.0
_CPUS = 0.5
"""Busy CPUs of other processes from which a training becomes much slower."""
_POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables that decide how threads wait; a user who has set one has decided."""


@final
class SharedCpus:
    """Watches a training for other processes on its CPUs.

    PyTorch's threads (OpenMP) wait for each other in loops. Where another process holds one of the CPUs, all
    others wait in such loops for the thread that has none, many times in each layer.

    Args:
        others: Reads the CPUs that other processes keep busy; ``None`` if unknown.
        is_affected: Whether threads of this process wait for each other in loops.
        clock: Monotonic seconds.
    """

    is_given: ClassVar[bool] = False
    """Whether this process has given the hint."""

    def __init__(
        self,
        *,
        others: Callable[[], float | None] | None = None,
        is_affected: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._others = others or OtherPrograms().cpus
        self._is_affected = is_affected or threads_wait_in_loops
        self._clock = clock
        self._next = clock() + _EVERY_S

    def hint(self) -> str:
        """What slows the training down, and what helps; empty if nothing does. A process gives it once."""
        if SharedCpus.is_given or self._clock() < self._next:
            return ""
        self._next = self._clock() + _EVERY_S
        cpus = self._others()
        if cpus is None or cpus < _CPUS or not self._is_affected():
            return ""
        SharedCpus.is_given = True
        return (
            f"note: other processes keep {cpus:.1f} CPUs busy. This slows down PyTorch's threads many times; "
            "interrupt this command and give it again behind OMP_WAIT_POLICY=PASSIVE to be faster beside "
            "them; it continues where it was interrupted"
        )


def threads_wait_in_loops() -> bool:
    """Whether this process trains in several threads that wait for each other in loops."""
    import torch

    if torch.cuda.is_available() or any(name in os.environ for name in _POLICIES):
        return False
    is_shared = torch.distributed.is_available() and torch.distributed.is_initialized()  # others are its own
    return torch.get_num_threads() > 1 and not is_shared
