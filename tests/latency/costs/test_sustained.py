"""Sustained load: the first and the last minute, from windows whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.latency.costs.sustained import ENTRY, Sustained, compared
from nas.runner.protocol import Window

TOOK_S = 0.125


def windows(
    seconds: float, *, slow: float, from_s: float, seed: int = 0, jump: float = 0.0, noise: float = 0.005
) -> list[Window]:
    """Windows of a network of 1 ms that becomes ``slow`` times slower; the time of day jumps halfway."""
    rng, taken = np.random.default_rng(seed), [Window("reference", 0, 0.0, 1, (7.0,), 2.0)]
    for number in range(round(seconds / TOOK_S)):
        elapsed = number * TOOK_S
        us = 1000 * (slow if elapsed >= from_s else 1.0) * (1 + noise * rng.exponential(size=20))
        start = elapsed + (jump if elapsed > seconds / 2 else 0.0)
        taken.append(Window(ENTRY, number, start, 5, tuple(us.tolist()), TOOK_S))
    return taken


@settings(deadline=None, max_examples=40)
@given(
    slow=st.floats(1.1, 3.0),
    from_s=st.floats(70, 500),
    seed=st.integers(0, 99),
    jump=st.sampled_from([0, -1e6, 1e6]),
)
def test_a_device_that_throttles_is_found_slower_by_as_much(
    slow: float, from_s: float, seed: int, jump: float
) -> None:
    found = compared(windows(600, slow=slow, from_s=from_s, seed=seed, jump=jump), duration_s=600)
    ratio, low, high = found.slowdown
    assert low <= slow <= high
    assert ratio == pytest.approx(slow, rel=0.01)
    assert found.is_slower
    assert found.first.value == pytest.approx(1.0, rel=0.01)
    assert f"{100 * (ratio - 1):.0f} % above those of this table" in found.about()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), seconds=st.floats(4, 600))
def test_a_steady_device_is_not_found_slower(seed: int, seconds: float) -> None:
    found = compared(windows(seconds, slow=1.0, from_s=0.0, seed=seed), duration_s=seconds)
    low, high = found.slowdown[1:]
    assert low <= 1 <= high
    assert not found.is_slower
    assert "has not become slower" in found.about()


def test_short_loads_are_divided_into_four() -> None:
    found = compared(windows(8, slow=2.0, from_s=4.0), duration_s=8)
    assert found.part_s == 2
    assert "in the first 2 s of load" in found.about()
    assert found.slowdown[0] == pytest.approx(2.0, rel=0.01)


def test_a_result_is_the_same_after_writing_and_reading() -> None:
    found = compared(windows(8, slow=2.0, from_s=4.0), duration_s=8)
    assert Sustained.from_dict(found.to_dict()) == found
