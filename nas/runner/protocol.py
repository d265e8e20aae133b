"""The timing protocol: which entry is timed when, for how long, and when to stop.

A *sample* is several back-to-back runs that last at least ``sample_ms``; a *window* is ``samples`` samples,
saved as soon as it is complete. A *round* is one window of every entry that still needs one, in shuffled
order, so that drift affects all entries alike. Two reference kernels are timed again every
``reference_every_s``, so that drift can be measured and divided out. When they slow down, measuring pauses
until the machine has recovered, and repeats the affected windows. Rounds can be spread over some seconds, so
that their interval also covers changes within seconds. An entry stops when the confidence interval of its
windows is narrow enough; the rest of the budget goes to the entries that matter most.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from .errors import RunnerError


@dataclass(frozen=True)
class Protocol:
    """The duration and repetition of a measurement.

    Attributes:
        sample_ms: Shortest duration of a sample, in ms.
        samples: Samples of a window.
        turns: Entries that take turns, about as many as a network has blocks; 1 for none. With turns, a
            sample is one run.
        min_rounds: Minimum windows of every entry, unless the budget ends first.
        max_rounds: Maximum windows of an entry.
        relative_precision: An entry stops when its 95 % confidence half-width is below this share ...
        absolute_precision_us: ... or below this many microseconds.
        spread_s: Minimum seconds over which the first ``min_rounds`` rounds are spread. Waiting for the next
            round is part of the budget.
        reference_every_s: Seconds between timings of the reference kernels.
        slowed_down: The machine counts as slowed down when the reference kernels take longer by this share.
        pause_s: Maximum seconds of each wait for the machine to recover. Waiting is part of the budget.
        budget_s: Seconds of measuring in all, opening the models included. Every entry gets at least one
            window even so.
        warm_up_s: Seconds of work before the first sample, which let the clock rate settle.
        seed: Seed of the shuffling.
    """

    sample_ms: float = 1.0
    samples: int = 10
    turns: int = 1
    min_rounds: int = 5
    max_rounds: int = 40
    relative_precision: float = 0.01
    absolute_precision_us: float = 0.2
    spread_s: float = 0.0
    reference_every_s: float = 0.5
    slowed_down: float = 0.03
    pause_s: float = 20.0
    budget_s: float = 600.0
    warm_up_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sample_ms", "samples", "turns", "min_rounds", "max_rounds", "reference_every_s"):
            if not getattr(self, name) > 0:
                raise RunnerError(f"protocol: {name} is {getattr(self, name)!r}; it must be positive")
        if self.max_rounds < self.min_rounds:
            raise RunnerError(
                f"protocol: max_rounds ({self.max_rounds}) is below min_rounds ({self.min_rounds}); raise it"
            )

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


class Model(ABC):
    """A loaded network, ready for timing."""

    @abstractmethod
    def time(self, runs: int) -> float:
        """Runs ``runs`` times back to back and returns the total seconds."""

    def close(self) -> None:  # noqa: B027 - most runtimes free a model with its object
        """Frees the model's resources."""


@dataclass(frozen=True)
class Window:
    """One window of one entry.

    Attributes:
        entry: The timed entry.
        round: Its round. References count their own.
        start_s: Its start, in seconds of the wall clock.
        runs: Back-to-back runs of a sample.
        samples_us: Microseconds of one run, one figure per sample.
        took_s: Seconds of measuring for the window, warming up included.
        others_cpus: CPUs that other programs kept busy since the last window with this figure; ``None`` if
            unknown.
    """

    entry: str
    round: int
    start_s: float
    runs: int
    samples_us: tuple[float, ...]
    took_s: float = 0.0
    others_cpus: float | None = None

    @property
    def quiet_us(self) -> float:
        """The smallest sample: the time of an undisturbed run.

        Other programs only add time, in bursts. On a busy machine, the smallest of ten samples repeats to
        0.3 % from round to round, their median to 2 %.
        """
        return min(self.samples_us)


@dataclass(frozen=True)
class Progress:
    """The progress of a measurement.

    Attributes:
        done: Measured windows.
        total: Maximum windows.
        seconds_left: Estimated seconds, within the budget.
        note: An event that the user should know of, or an empty string.
    """

    done: int
    total: int
    seconds_left: float
    note: str = ""


class Clock(Interface):
    """Seconds since some moment. Tests pass a fake clock."""

    def __call__(self) -> float: ...


def quieter_half(values: Sequence[float]) -> list[float]:
    """The lower half of the values, the middle one included, since disturbances only add time.

    Unlike the minimum, its mean does not depend on the number of values, so that the costs of blocks with
    different numbers of rounds can be added.
    """
    return sorted(values)[: (len(values) + 1) // 2]


def half_width(values: Sequence[float]) -> float:
    """Half the width of the 95 % confidence interval of the mean of ``values``; infinite below two values."""
    if len(values) < 2:
        return math.inf
    return student_t(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def student_t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t distribution, to within 1 % (Cornish-Fisher expansion)."""
    exact = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
    z = 1.959964
    return exact.get(
        freedom, z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    )


def is_enough(rounds_us: Sequence[float], protocol: Protocol) -> bool:
    """Returns whether an entry with these windows needs no more."""
    if len(rounds_us) >= protocol.max_rounds:
        return True
    if len(rounds_us) < protocol.min_rounds:
        return False
    quiet = quieter_half(rounds_us)
    allowed = max(protocol.relative_precision * statistics.fmean(quiet), protocol.absolute_precision_us)
    return half_width(quiet) <= allowed
