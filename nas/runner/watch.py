"""Watching the speed of the machine with two reference kernels."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from .protocol import Window

_REMEMBERED = 15  # windows of a kernel that determine its usual time
_CONFIRMED = 3  # consecutive slow windows: a single one may be a disturbance


class Watch:
    """Records the windows of the reference kernels.

    A kernel's usual time is the median of its latest windows, which follows a drift of a percent per minute,
    but not a processor that gets hot or is throttled.

    Args:
        references: The reference kernels.
        slowed_down: The machine counts as slowed down when they take longer by this share.
    """

    def __init__(self, references: Sequence[str], *, slowed_down: float) -> None:
        self._limit = slowed_down
        self._usual: dict[str, list[float]] = {name: [] for name in references}
        self._fresh: dict[str, list[float]] = {name: [] for name in references}

    def note(self, window: Window) -> None:
        """Records a window of a reference kernel; others are ignored."""
        if window.entry in self._fresh:
            self._fresh[window.entry].append(window.quiet_us)

    @property
    def slowdown(self) -> float:
        """The share by which the kernels take longer than usual, in the windows since the last ``accept``.

        It is the geometric mean over the kernels of smallest / usual time, minus 1.
        """
        pairs = [(min(self._fresh[name]), usual) for name, usual in self._usual.items() if self._fresh[name]]
        logs = [math.log(least / statistics.median(usual)) for least, usual in pairs if usual]
        return math.expm1(statistics.fmean(logs)) if logs else 0.0

    @property
    def is_slow(self) -> bool:
        """Whether the machine has slowed down according to the windows so far."""
        return self.slowdown > self._limit

    @property
    def is_confirmed(self) -> bool:
        """Whether there are enough windows to call the machine slow."""
        return all(len(fresh) >= _CONFIRMED for fresh in self._fresh.values())

    def accept(self) -> None:
        """Adds the windows since the last call to the usual ones; if slow, the last one replaces those."""
        slow = self.is_slow
        for name, fresh in self._fresh.items():
            self._usual[name] = ([] if slow else self._usual[name] + fresh)[-_REMEMBERED:] or fresh[-1:]
            fresh.clear()

    def forget(self) -> None:
        """Drops the windows since the last ``accept``, which show a state that has passed."""
        for fresh in self._fresh.values():
            fresh.clear()
