"""From raw windows to latencies: divide by the drift, average the quieter half of the rounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.arrays import FloatArray
from nas.runner.protocol import Window, quieter_half

_WINDOWS = 5  # windows of a reference kernel that determine the machine's state
_DEAD_ZONE = 0.03
_DISTURBING_CPUS = 0.25


@dataclass(frozen=True)
class Latency:
    """The measured latency of one entry.

    Attributes:
        rounds_ms: The quiet time of each round's window, divided by the drift, in the order of the rounds.
        mean_ms: The mean of their quieter half.
        std_ms: Its standard deviation.
        count: Number of rounds in it.
    """

    rounds_ms: tuple[float, ...]
    mean_ms: float
    std_ms: float
    count: int

    @property
    def error_ms(self) -> float:
        """The standard error of the mean; a cautious 3 % for a single round."""
        return self.std_ms / np.sqrt(self.count) if self.count > 1 else 0.03 * self.mean_ms


def latencies(windows: Iterable[Window], *, references: Sequence[str]) -> dict[str, Latency]:
    """The latency of each entry.

    Args:
        windows: All windows of a measurement in chronological order. Of repeated ones, taken because the
            machine had slowed down, the last counts.
        references: The reference kernels, which show the drift.
    """
    windows = list(windows)
    factors = drift(windows, references=references)
    by_entry: dict[str, dict[int, float]] = defaultdict(dict)
    for window, factor in zip(windows, factors, strict=True):
        by_entry[window.entry][window.round] = window.quiet_us * 1e-3 / float(factor)
    return {name: summarise([ms for _, ms in sorted(rounds.items())]) for name, rounds in by_entry.items()}


def disturbance(windows: Iterable[Window]) -> str:
    """The known disturbance of a measurement, to follow "disturbed: "; empty if there is none.

    Reference kernels cannot detect a constant load, since they have no quiet state to compare with.
    """
    readings = [window.others_cpus for window in windows if window.others_cpus is not None]
    if not readings or np.mean(readings) < _DISTURBING_CPUS:
        return ""
    return f"other programs kept {np.mean(readings):.1f} CPUs busy"


def drift(windows: Sequence[Window], *, references: Sequence[str]) -> FloatArray:
    """The slowdown of the machine at each window, (W,): 1 is the usual speed, 1.1 is 10 % slower.

    It is the geometric mean over the reference kernels of time / usual time. A running minimum removes
    bursts, and changes below 3 % count as noise.
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
    """The running minimum relative to its median, and 0 where they are close."""
    padded = np.pad(logs, _WINDOWS // 2, mode="edge")
    least = np.lib.stride_tricks.sliding_window_view(padded, _WINDOWS).min(axis=1)
    change = least - np.median(least)
    return np.where(np.abs(change) < _DEAD_ZONE, 0.0, change)


def summarise(rounds_ms: Sequence[float]) -> Latency:
    """The latency of a sequence of rounds: the mean of its quieter half.

    Args:
        rounds_ms: One round or more.
    """
    quiet = np.array(quieter_half(rounds_ms))
    deviation = float(quiet.std(ddof=1)) if len(quiet) > 1 else 0.0
    return Latency(tuple(float(value) for value in rounds_ms), float(quiet.mean()), deviation, len(quiet))
