"""From raw windows to latencies: drift divided out, the quieter half of the rounds averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.arrays import FloatArray
from nas.runner.protocol import Window, quieter_half

_WINDOWS = 5  # windows of a reference kernel that show the machine's state together
_DEAD_ZONE = 0.03
_DISTURBING_CPUS = 0.25


@dataclass(frozen=True)
class Latency:
    """The measured latency of one entry.

    Attributes:
        rounds_ms: The quiet time of each round's window, drift divided out, in the order of the rounds.
        mean_ms: The mean of their quieter half.
        std_ms: Its standard deviation.
        count: How many rounds are in it.
    """

    rounds_ms: tuple[float, ...]
    mean_ms: float
    std_ms: float
    count: int

    @property
    def error_ms(self) -> float:
        """The standard error of the mean; with one round, a cautious 3 %."""
        return self.std_ms / np.sqrt(self.count) if self.count > 1 else 0.03 * self.mean_ms


def latencies(windows: Iterable[Window], *, references: Sequence[str]) -> dict[str, Latency]:
    """The latency of each entry.

    Args:
        windows: All windows of a measurement, in the order in which they were taken; where one was repeated,
            because the machine had slowed down, the last counts.
        references: The entries that were timed again and again; they show the drift.
    """
    windows = list(windows)
    factors = drift(windows, references=references)
    by_entry: dict[str, dict[int, float]] = defaultdict(dict)
    for window, factor in zip(windows, factors, strict=True):
        by_entry[window.entry][window.round] = window.quiet_us * 1e-3 / float(factor)
    return {name: summarise([ms for _, ms in sorted(rounds.items())]) for name, rounds in by_entry.items()}


def disturbance(windows: Iterable[Window]) -> str:
    """What disturbed a measurement, for a sentence that begins with "disturbed: "; empty if nothing is known.

    Load that lasts is not seen by the reference kernels, which know no quiet state then.
    """
    readings = [window.others_cpus for window in windows if window.others_cpus is not None]
    if not readings or np.mean(readings) < _DISTURBING_CPUS:
        return ""
    return f"other programs kept {np.mean(readings):.1f} CPUs busy"


def drift(windows: Sequence[Window], *, references: Sequence[str]) -> FloatArray:
    """The slowdown of the machine at each window, (W,): 1 is the usual speed, 1.1 is 10 % slower.

    The geometric mean over the reference kernels of their time over their usual time. A running minimum, so
    that a burst counts for nothing; and changes below 3 % are taken for noise.
    """
    times = np.array([window.start_s for window in windows])
    logs = [np.zeros(len(windows))]
    for name in references:
        track = sorted((window.start_s, window.quiet_us) for window in windows if window.entry == name)
        if len(track) >= _WINDOWS:
            at, level = np.array(track).T
            logs.append(np.interp(times, at, _level(np.log(level))))
    factors: FloatArray = np.exp(np.mean(logs[1:], axis=0)) if len(logs) > 1 else np.exp(logs[0])
    return factors


def _level(logs: FloatArray) -> FloatArray:
    """The running minimum against its median, and 0 where they are close."""
    padded = np.pad(logs, _WINDOWS // 2, mode="edge")
    least = np.lib.stride_tricks.sliding_window_view(padded, _WINDOWS).min(axis=1)
    change = least - np.median(least)
    return np.where(np.abs(change) < _DEAD_ZONE, 0.0, change)


def summarise(rounds_ms: Sequence[float]) -> Latency:
    """The latency that a sequence of rounds shows: the mean of its quieter half.

    Args:
        rounds_ms: At least one.
    """
    kept = np.array(quieter_half(rounds_ms))
    deviation = float(kept.std(ddof=1)) if len(kept) > 1 else 0.0
    return Latency(tuple(float(value) for value in rounds_ms), float(kept.mean()), deviation, len(kept))
