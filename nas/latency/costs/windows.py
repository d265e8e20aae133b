"""From raw windows to latencies: a low quantile of all samples of an entry."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.runner.protocol import Window, quieter_half, undisturbed

_DISTURBING_CPUS = 0.25


@dataclass(frozen=True)
class Latency:
    """The measured latency of one entry.

    Attributes:
        value_ms: The undisturbed time: a low quantile of all samples.
        rounds_ms: The smallest sample of each round, in the order of the rounds.
        std_ms: The standard deviation of the quieter half of these.
        halves_ms: The undisturbed time in the first and in the second half of the rounds.
    """

    value_ms: float
    rounds_ms: tuple[float, ...]
    std_ms: float
    halves_ms: tuple[float, float]

    @property
    def count(self) -> int:
        """Number of rounds in the standard deviation."""
        return (len(self.rounds_ms) + 1) // 2

    @property
    def error_ms(self) -> float:
        """The standard error; a cautious 3 % for a single round."""
        return float(self.std_ms / np.sqrt(self.count)) if self.count > 1 else 0.03 * self.value_ms


def latencies(windows: Iterable[Window]) -> dict[str, Latency]:
    """The latency of each entry.

    Args:
        windows: All windows of a measurement in chronological order. Of repeated ones, the last counts.
    """
    latest = {(window.entry, window.round): window for window in windows}
    rounds: dict[str, list[Window]] = defaultdict(list)
    for (entry, _), window in sorted(latest.items()):
        rounds[entry].append(window)
    return {entry: summarise([window.samples_us for window in each]) for entry, each in rounds.items()}


def summarise(rounds_us: Sequence[Sequence[float]]) -> Latency:
    """The latency of an entry.

    Args:
        rounds_us: The samples of each round in microseconds; one round or more.
    """
    least = [1e-3 * min(samples) for samples in rounds_us]
    quiet = quieter_half(least)
    middle = (len(rounds_us) + 1) // 2
    return Latency(
        value_ms=_undisturbed_ms(rounds_us),
        rounds_ms=tuple(least),
        std_ms=statistics.stdev(quiet) if len(quiet) > 1 else 0.0,
        halves_ms=(_undisturbed_ms(rounds_us[:middle]), _undisturbed_ms(rounds_us[middle:] or rounds_us)),
    )


def _undisturbed_ms(rounds_us: Sequence[Sequence[float]]) -> float:
    return 1e-3 * undisturbed([us for samples in rounds_us for us in samples])


def disturbance(windows: Iterable[Window]) -> str:
    """The known disturbance of a measurement, to follow "disturbed: "; empty if there is none."""
    readings = [window.others_cpus for window in windows if window.others_cpus is not None]
    if not readings or np.mean(readings) < _DISTURBING_CPUS:
        return ""
    return f"other programs kept {np.mean(readings):.1f} CPUs busy"
