"""Measuring in visits: fresh processes, one after another, that share the rounds of a measurement."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from .protocol import Clock, Protocol, Window, student_t, undisturbed

NEAR = 0.1
"""Share above the undisturbed time up to which a visit counts as one at full speed."""

SLOWER = 0.05
"""Share by which reference models are slower than usual on a machine that has not reached its usual speed."""

_FEWEST, _CAUTIOUS = 3, 0.1
_LEAST = 0.015  # between measurements of a quiet machine


def samples_by_visit(windows: Iterable[Window]) -> dict[str, dict[int, list[float]]]:
    """All samples of each entry in each visit, in microseconds."""
    samples: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for window in windows:
        samples[window.entry][window.visit] += window.samples_us
    return {entry: dict(visits) for entry, visits in samples.items()}


def estimate(visits: Mapping[int, Sequence[float]]) -> tuple[float, float]:
    """The undisturbed time of an entry, and half the width of its 95 % confidence interval, relative.

    The visits that have seen the machine at full speed are the sample of the interval; if they are few, it is
    a cautious 10 %.

    Args:
        visits: The samples of each visit.
    """
    value = undisturbed([us for samples in visits.values() for us in samples])
    quiet = [math.log(us) for us in map(undisturbed, visits.values()) if us <= (1 + NEAR) * value]
    if len(quiet) < _FEWEST:
        return value, math.hypot(_CAUTIOUS, _LEAST)
    half = student_t(len(quiet) - 1) * statistics.stdev(quiet) / math.sqrt(len(quiet))
    return value, math.hypot(half, _LEAST)


def take_visits(
    protocol: Protocol,
    *,
    entries: Sequence[str],
    usual_us: Mapping[str, float],
    take: Callable[[int, bool], int],
    windows: Callable[[], Sequence[Window]],
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Takes visits until the intervals are narrow and the machine has shown its usual speed, or time is up.

    Args:
        protocol: How to measure. ``spread_s`` is the shortest time over which ``visits`` are spread.
        entries: The measured entries, without the references.
        usual_us: Times of references in an earlier measurement; empty if none is known.
        take: Takes the visit of a number and returns an exit code; the flag marks the first of this call.
        windows: Reads the windows so far.
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds.

    Returns:
        The exit code of the last visit; others are only taken after a 0.
    """
    start = clock()
    first = number = _complete(windows(), entries, rounds=protocol.visit_rounds)
    most = protocol.max_rounds // protocol.visit_rounds
    while number == first or number < most:
        due = max(start + (number - first) * protocol.spread_s / protocol.visits, clock())
        if number > first and due - start >= protocol.budget_s:
            break
        if due > clock():
            sleep(due - clock())
        if code := take(number, number == first):
            return code
        number += 1
        if number >= protocol.visits and _is_settled(windows(), entries, protocol, usual_us):
            break
    return 0


def _complete(windows: Iterable[Window], entries: Sequence[str], *, rounds: int) -> int:
    """The number of visits that an interrupted measurement has completed."""
    counts = Counter(window.entry for window in windows)
    return min((counts[entry] for entry in entries), default=0) // rounds


def _is_settled(
    windows: Iterable[Window], entries: Sequence[str], protocol: Protocol, usual_us: Mapping[str, float]
) -> bool:
    samples = samples_by_visit(windows)
    for name, usual in usual_us.items():
        if name in samples and estimate(samples[name])[0] > (1 + SLOWER) * usual:
            return False
    for entry in entries:
        value, half = estimate(samples[entry])
        if half > max(protocol.relative_precision, protocol.absolute_precision_us / value):
            return False
    return True
