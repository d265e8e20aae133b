"""What minutes of load change: the latency of a network in the first and the last minute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

from nas.latency.costs.intervals import quotient
from nas.runner.protocol import Window
from nas.runner.visits import estimate
from nas.statistics import Interval

FILE = "sustained/sustained.json"
"""The file in the folder of a table."""

ENTRY = "network"
_PART_S = 60.0
_PARTS, _PIECES = 4, 6  # a part has pieces, the sample of its interval


@final
@dataclass(frozen=True, kw_only=True)
class Sustained:
    """What minutes of load change.

    Attributes:
        duration_s: Seconds of load.
        part_s: Seconds of the first and the last part, a minute if the load is long enough.
        first: The undisturbed latency in the first part in ms, with its 95 % confidence interval.
        last: The same in the last part.
    """

    duration_s: float
    part_s: float
    first: Interval
    last: Interval

    @property
    def slowdown(self) -> tuple[float, float, float]:
        """The latency of the last part / that of the first, with its 95 % confidence interval."""
        return quotient(self.last, self.first)

    @property
    def is_slower(self) -> bool:
        """Whether the device has become slower by more than the measurement's error."""
        return self.slowdown[1] > 1

    def about(self) -> str:
        """What the load changed, in one sentence."""
        ratio, low, high = self.slowdown
        part = "minute" if self.part_s == _PART_S else f"{self.part_s:g} s"
        times = f"{self.first.value:.3f} ms in the first {part} of load, {self.last.value:.3f} ms in the last"
        text = f"sustained load of {self.duration_s:g} s: a network takes {times}, {ratio:.3f} times as long"
        verdict = "the device has not become slower"
        if self.is_slower:
            verdict = (
                f"under lasting load, latencies are about {100 * (ratio - 1):.0f} % above those of this table"
            )
        return f"{text} (95 % interval {low:.3f} to {high:.3f}); {verdict}"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Sustained:
        """Reads what ``to_dict`` returned."""
        parts = {name: Interval(**value[name]) for name in ("first", "last")}
        return cls(duration_s=value["duration_s"], part_s=value["part_s"], **parts)


def compared(windows: Sequence[Window], *, duration_s: float) -> Sustained:
    """Compares the first and the last part of a measurement.

    Args:
        windows: All windows in their order, those of the reference models included.
        duration_s: Seconds of load.
    """
    part_s = min(_PART_S, duration_s / _PARTS)
    timed, elapsed = list[tuple[float, Window]](), 0.0
    for window in windows:  # durations, and not times of day, which may jump
        if window.entry == ENTRY:
            timed.append((elapsed, window))
        elapsed += window.took_s
    return Sustained(
        duration_s=duration_s,
        part_s=part_s,
        first=_part(timed, timed[0][0], part_s),
        last=_part(timed, timed[-1][0] - part_s, part_s),
    )


def _part(timed: Sequence[tuple[float, Window]], start_s: float, seconds: float) -> Interval:
    """The undisturbed latency of the windows that begin within some seconds."""
    pieces: dict[int, list[float]] = {}
    for begun_s, window in timed:
        piece = math.floor((begun_s - start_s) / seconds * _PIECES)
        if 0 <= piece <= _PIECES:
            pieces.setdefault(min(piece, _PIECES - 1), []).extend(window.samples_us)
    value_us, half = estimate(pieces)
    ms = value_us * 1e-3
    return Interval(value=ms, low=ms * math.exp(-half), high=ms * math.exp(half))
