"""The latencies of whole networks with intervals that hold when the measurement is repeated.

A network is measured in visits, each in a fresh process (``nas.runner.visits``). What differs between visits
(the place in memory, seconds in which the machine is slower) also differs between measurements, so visits are
the sample of the interval. Phases of minutes do not show within one measurement: the reference networks show
them, by comparison with an earlier measurement.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nas.hardware import Device
from nas.latency.costs.windows import disturbance
from nas.latency.plan.entries import REFERENCE, REFERENCE_NETWORKS
from nas.runner.protocol import Window
from nas.runner.visits import SLOWER, estimate, samples_by_visit

_UNEXPLAINED = 0.35
"""Share of a slowdown, as the reference networks show it, by which that of another network differs."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A latency with its 95 % confidence interval, in ms.

    Attributes:
        value: The undisturbed latency, at the machine's usual speed as far as the reference networks show it.
        low: Lower end.
        high: Upper end.
        raw: The undisturbed latency at the speed of the machine during the measurement.
        typical: The median of all samples, disturbed ones included.
    """

    value: float
    low: float
    high: float
    raw: float
    typical: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The latencies of one measurement.

    Attributes:
        device: The device with its machine and version.
        latencies: By the name of a network.
        references_ms: The latency of each reference model.
        slowdown: Geometric mean over the reference networks of their latency / their usual one; ``None`` if
            no earlier measurement is known.
        disturbed: The known disturbance, as text; empty if there is none.
    """

    device: Device
    latencies: Mapping[str, Interval]
    references_ms: Mapping[str, float]
    slowdown: float | None
    disturbed: str

    @property
    def is_restated(self) -> bool:
        """Whether the machine's speed differed so much from the usual one that it was divided out."""
        return _differs(self.slowdown)

    def ratio(self, name: str, base: str) -> tuple[float, float, float]:
        """The latency of ``name`` over that of ``base``, with its 95 % confidence interval."""
        return quotient(self.latencies[name], self.latencies[base])


class Bounded(Protocol):
    """A positive quantity with an interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def quotient(first: Bounded, second: Bounded) -> tuple[float, float, float]:
    """``first`` / ``second`` with its interval, for errors that are independent and relative."""
    half = math.hypot(*(0.5 * math.log(each.high / each.low) for each in (first, second)))
    ratio = first.value / second.value
    return ratio, ratio * math.exp(-half), ratio * math.exp(half)


def measured_latencies(
    windows: Sequence[Window],
    entries: Mapping[str, str],
    *,
    device: Device,
    usual_ms: Mapping[str, float],
) -> Measured:
    """The latencies of networks with their intervals.

    Args:
        windows: All windows of a measurement in chronological order.
        entries: The entry of each network, by its name.
        device: The device with its machine and version.
        usual_ms: Latencies of the reference models in an earlier measurement on this machine; empty if none
            is known.
    """
    samples = samples_by_visit(windows)
    now_ms = {name: 1e-3 * estimate(samples[name])[0] for name in samples if name.startswith(REFERENCE)}
    slowdown = slowdown_of(now_ms, usual_ms)
    disturbed = "; ".join(filter(None, [disturbance(windows), slower_in_words(slowdown)]))
    return Measured(
        device=device,
        latencies={
            name: _interval(samples[entry], slowdown or 1.0, is_disturbed=bool(disturbed))
            for name, entry in entries.items()
        },
        references_ms=now_ms,
        slowdown=slowdown,
        disturbed=disturbed,
    )


def slowdown_of(now_ms: Mapping[str, float], usual_ms: Mapping[str, float]) -> float | None:
    """The geometric mean over the reference networks of their latency / their usual one.

    Kernels do not count: in a slow phase of the host, they lose a third of what networks lose.

    Args:
        now_ms: Latencies of the reference models.
        usual_ms: Those of an earlier measurement.

    Returns:
        The ratio; ``None`` if no network is in both.
    """
    shared = now_ms.keys() & usual_ms.keys()
    ratios = [now_ms[name] / usual_ms[name] for name in REFERENCE_NETWORKS if name in shared]
    return statistics.geometric_mean(ratios) if ratios else None


def _differs(slowdown: float | None) -> bool:
    return slowdown is not None and abs(slowdown - 1) > SLOWER


def slower_in_words(slowdown: float | None, *, than: str = "their usual latency") -> str:
    """The difference from the usual speed as text; empty if it is small or unknown."""
    if slowdown is None or slowdown <= 1 + SLOWER:
        return ""
    return f"the reference networks took {slowdown:.2f} times {than}"


def _interval(visits_us: Mapping[int, Sequence[float]], slowdown: float, *, is_disturbed: bool) -> Interval:
    """The latency of one network.

    Small differences from the usual speed are noise of the references, and are not divided out. Where the
    measurement was disturbed, the interval also covers what was measured, and the typical latency.
    """
    raw_us, half = estimate(visits_us)
    typical = 1e-3 * statistics.median(us for samples in visits_us.values() for us in samples)
    raw = 1e-3 * raw_us
    shift = math.log(slowdown) if _differs(slowdown) else 0.0
    value = raw / math.exp(shift)
    half = math.hypot(half, _UNEXPLAINED * shift)
    low, high = value * math.exp(-half), value * math.exp(half)
    if is_disturbed:
        high = max(high, raw * math.exp(half), typical)
    return Interval(value=value, low=low, high=high, raw=raw, typical=typical)
