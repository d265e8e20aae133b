"""Watches the speed of the machine with two reference kernels."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from .protocol import Window

_REMEMBERED = 15  # windows of a kernel that show what is usual
_CONFIRMED = 3  # windows in a row that must be slow: a single one may have been disturbed


class Watch:
    """Notes the windows of the reference kernels.

    What is usual is the median of a kernel's latest windows, so a drift of a percent a minute moves it, and a
    processor that gets hot or is throttled does not.

    Args:
        references: The reference kernels.
        slowed_down: The machine counts as slowed down when they take longer by this share.
    """

    def __init__(self, references: Sequence[str], *, slowed_down: float) -> None:
        self._limit = slowed_down
        self._usual: dict[str, list[float]] = {name: [] for name in references}
        self._fresh: dict[str, list[float]] = {name: [] for name in references}

    def note(self, window: Window) -> None:
        """Takes notice of a window of a reference kernel; the others are ignored."""
        if window.entry in self._fresh:
            self._fresh[window.entry].append(window.quiet_us)

    @property
    def slowdown(self) -> float:
        """By which share the kernels take longer than usual, over the windows since the last ``accept``.

        The geometric mean over the kernels of their least time over their usual one, less 1.
        """
        pairs = [(min(self._fresh[name]), usual) for name, usual in self._usual.items() if self._fresh[name]]
        logs = [math.log(least / statistics.median(usual)) for least, usual in pairs if usual]
        return math.expm1(statistics.fmean(logs)) if logs else 0.0

    @property
    def is_slow(self) -> bool:
        """Whether the machine has slowed down, as far as the windows so far show."""
        return self.slowdown > self._limit

    @property
    def is_confirmed(self) -> bool:
        """Whether there are enough windows to call the machine slow."""
        return all(len(fresh) >= _CONFIRMED for fresh in self._fresh.values())

    def accept(self) -> None:
        """Counts the windows since the last call to the usual ones; a slow machine begins anew with them."""
        slow = self.is_slow
        for name, fresh in self._fresh.items():
            self._usual[name] = ([] if slow else self._usual[name] + fresh)[-_REMEMBERED:] or fresh[-1:]
            fresh.clear()

    def forget(self) -> None:
        """Drops the windows since the last ``accept``: they were taken in a state that has passed."""
        for fresh in self._fresh.values():
            fresh.clear()
