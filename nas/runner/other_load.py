"""The CPU usage of other programs, if the system reports it (Linux, Android)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Callable

_STAT = Path("/proc/stat")
_EVERY_S = 0.2  # the system counts in steps of 10 ms


class OtherPrograms:
    """The CPUs that other programs keep busy, among those that this process may use.

    Args:
        busy_s: Seconds that these CPUs have been busy so far, with any program; ``None`` if unknown.
        own_s: CPU time of this process so far, in seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        busy_s: Callable[[], float | None] = lambda: busy_seconds(_stat()),
        own_s: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._busy_s, self._own_s, self._clock = busy_s, own_s, clock
        self._last = self._read()

    def cpus(self) -> float | None:
        """The number of busy CPUs since the last reading, e.g. 0.5; ``None`` if unknown or too early."""
        if self._last is None or self._clock() - self._last[0] < _EVERY_S:
            return None
        (then, before_s), self._last = self._last, self._read()
        if self._last is None:
            return None
        now, after_s = self._last
        return round(max(after_s - before_s, 0.0) / (now - then), 2)

    def _read(self) -> tuple[float, float] | None:
        """The time, and the CPU time of other programs so far, in seconds."""
        busy_s = self._busy_s()
        return None if busy_s is None else (self._clock(), busy_s - self._own_s())


def busy_seconds(stat: str) -> float | None:
    """Seconds that the usable CPUs have been busy since the system started.

    Time that a hypervisor gives to other machines (steal) counts as busy.

    Args:
        stat: The text of ``/proc/stat``.
    """
    usable = _usable()
    ticks = [
        sum(map(int, (user, nice, system, irq, softirq, steal)))
        for name, user, nice, system, _, _, irq, softirq, steal, *_ in map(str.split, _cpu_lines(stat))
        if usable is None or int(name[3:]) in usable
    ]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def _cpu_lines(stat: str) -> list[str]:
    return [line for line in stat.splitlines() if line.startswith("cpu") and line[3:4].isdigit()]


def _usable() -> set[int] | None:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def _stat() -> str:
    try:
        return _STAT.read_text(encoding="utf-8")
    except OSError:  # another system, or a phone that denies access
        return ""
