"""The timing protocol: which entry is timed when, for how long, and when to stop.

A *sample* is several back-to-back runs that last at least ``sample_ms``; a *window* is at least ``samples``
samples, saved as soon as it is complete. A *round* is one window of every entry that still needs one, in
shuffled order, so that all entries see the same states of the machine. Rounds can be spread over seconds.
Reference models are timed again every ``reference_every_s``: they show how fast the machine is, today and on
another day. An entry stops when the confidence interval of its windows is narrow enough; the rest of the
budget goes to the entries that matter most.

The latency of an entry is a low quantile of *all* its samples (``undisturbed``). Other programs, on this
machine or on a host that it shares, only add time. On a shared host, a core was seen to run at full speed for
a quarter of the time, in spells of 10 to 50 ms, and at half the speed otherwise. Averages of any kind then
depend on luck, and so does the latency divided by that of a reference; a low quantile repeats to a percent.

The rounds can be divided into *visits*, each in a fresh process, which opens the models in an order of its
own: the place of a model in memory changes its time by several percent, and stays as long as its process.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

import numpy as np

from .errors import RunnerError

QUANTILE = 0.02


@dataclass(frozen=True)
class Protocol:
    """The duration and repetition of a measurement.

    Attributes:
        sample_ms: Shortest duration of a sample, in ms.
        samples: Fewest samples of a window, or its samples in turns.
        window_ms: Shortest duration of a window's samples, in ms; does not apply in turns.
        turns: Entries that take turns, about as many as a network has blocks; 1 for none. With turns, a
            sample is one run.
        min_rounds: Minimum windows of every entry, unless the budget ends first.
        max_rounds: Maximum windows of an entry.
        relative_precision: An entry stops when its 95 % confidence half-width is below this share ...
        absolute_precision_us: ... or below this many microseconds.
        spread_s: Minimum seconds over which the first ``min_rounds`` rounds are spread. Waiting for the next
            round is part of the budget.
        visits: Fresh processes that share the first ``min_rounds`` rounds.
        reference_every_s: Seconds between timings of the reference models.
        budget_s: Seconds of measuring in all, opening the models included. Every entry gets at least one
            window even so.
        warm_up_s: Seconds of work before the first sample, which let the clock rate settle.
        seed: Seed of the shuffling.
    """

    sample_ms: float = 0.2
    samples: int = 10
    window_ms: float = 10.0
    turns: int = 1
    min_rounds: int = 5
    max_rounds: int = 40
    relative_precision: float = 0.01
    absolute_precision_us: float = 0.2
    spread_s: float = 0.0
    visits: int = 1
    reference_every_s: float = 0.5
    budget_s: float = 600.0
    warm_up_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        positive = (
            "sample_ms",
            "samples",
            "turns",
            "min_rounds",
            "max_rounds",
            "visits",
            "reference_every_s",
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise RunnerError(f"protocol: {name} is {getattr(self, name)!r}; it must be positive")
        if self.max_rounds < self.min_rounds:
            raise RunnerError(
                f"protocol: max_rounds ({self.max_rounds}) is below min_rounds ({self.min_rounds}); raise it"
            )

    @property
    def visit_rounds(self) -> int:
        """Rounds of one visit."""
        return max(self.min_rounds // self.visits, 1)

    def visit(self, number: int) -> Protocol:
        """The protocol of one visit, which takes the rounds that the earlier ones left."""
        until = (number + 1) * self.visit_rounds
        return dataclasses.replace(self, min_rounds=until, max_rounds=until, visits=1, spread_s=0.0)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Protocol:
        """The protocol in a manifest; settings of other versions are left out."""
        names = {each.name for each in dataclasses.fields(cls)}
        return cls(**{name: item for name, item in value.items() if name in names})

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
        took_s: Seconds of measuring for the window, warming up and opening models included.
        others_cpus: CPUs that other programs kept busy since the last window with this figure; ``None`` if
            unknown.
        visit: The visit that took it.
    """

    entry: str
    round: int
    start_s: float
    runs: int
    samples_us: tuple[float, ...]
    took_s: float = 0.0
    others_cpus: float | None = None
    visit: int = 0

    @property
    def quiet_us(self) -> float:
        """The smallest sample. The spread of these over rounds shows how noisy an entry is."""
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


def undisturbed(samples: Iterable[float]) -> float:
    """The time of an undisturbed run: the ``QUANTILE`` of samples.

    Unlike the minimum, it hardly depends on the number of samples, so that the costs of blocks with different
    numbers of rounds can be added.
    """
    return float(np.quantile(np.fromiter(samples, float), QUANTILE))


def quieter_half(values: Sequence[float]) -> list[float]:
    """The lower half of the values, the middle one included, since disturbances only add time."""
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
