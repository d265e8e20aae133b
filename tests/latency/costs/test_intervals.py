"""The intervals of whole networks hold when a measurement is repeated."""

import numpy as np
import pytest

from nas.cli.steps.measure import about_speed
from nas.hardware import Device
from nas.latency.costs.intervals import Measured, measured_latencies
from nas.runner.protocol import Window

DEVICE = Device(name="here", machine="a machine", runtime_version="1")
USUAL = {"reference-small": 0.085, "reference-large": 0.7}
US = {"reference-small": 85.0, "reference-large": 700.0, "a": 100.0, "b": 300.0}


def measured(seed, *, slower=1.0, at_full_speed=0.4, others=0.0, usual=USUAL, visits=10) -> Measured:
    """A measurement on a shared host, whose processes differ by a percent."""
    rng = np.random.default_rng(seed)
    windows = []
    for visit in range(visits):
        place = 1 + 0.01 * rng.standard_normal()
        for round_ in range(4):
            for name, us in US.items():
                state = slower * (1.0 if rng.random() < at_full_speed else 1.6)
                samples = us * place * state * (1 + 0.01 * rng.exponential(size=40))
                number = 4 * visit + round_
                windows.append(
                    Window(name, number, float(number), 1, tuple(samples), others_cpus=others, visit=visit)
                )
    return measured_latencies(windows, {"A": "a", "B": "b"}, device=DEVICE, usual_ms=usual)


def test_the_interval_contains_what_other_measurements_give():
    values = [measured(seed).latencies["A"] for seed in range(40)]
    middle = np.median([each.value for each in values])
    assert np.mean([each.low <= middle <= each.high for each in values]) >= 0.9
    assert np.median([(each.high - each.low) / 2 / each.value for each in values]) < 0.03
    assert not any(measured(seed).disturbed for seed in range(10))


def test_the_typical_latency_says_what_the_neighbours_cost():
    latency = measured(0).latencies["A"]
    assert latency.value == pytest.approx(0.1, rel=0.03)
    assert latency.typical == pytest.approx(0.16, rel=0.05)


def test_latencies_are_stated_at_the_usual_speed_and_the_interval_covers_what_was_measured():
    slow = measured(0, slower=1.3)
    assert slow.slowdown == pytest.approx(1.3, rel=0.03)
    assert slow.disturbed.startswith("the reference networks took 1.")
    latency = slow.latencies["A"]
    assert latency.value == pytest.approx(0.1, rel=0.03)
    assert latency.raw == pytest.approx(0.13, rel=0.03)
    assert latency.low < 0.1 and latency.high > 0.13


def test_a_small_difference_of_the_references_is_noise():
    alike = measured(0, slower=1.03)
    assert alike.latencies["A"].value == alike.latencies["A"].raw
    assert not alike.is_restated and measured(0, slower=1.3).is_restated
    assert "latencies are as measured" in about_speed(alike)


def test_other_programs_disturb():
    busy = measured(0, others=1.0)
    assert busy.disturbed == "other programs kept 1.0 CPUs busy"
    assert busy.latencies["A"].high >= busy.latencies["A"].typical


def test_without_an_earlier_measurement_the_speed_is_unknown():
    first = measured(0, usual={})
    assert first.slowdown is None and first.disturbed == ""
    assert set(first.references_ms) == set(USUAL)


def test_few_visits_at_full_speed_give_a_cautious_interval():
    latency = measured(0, visits=2).latencies["A"]
    assert latency.high / latency.low > 1.2


def test_the_ratio_of_two_networks_has_an_interval():
    ratio, low, high = measured(0).ratio("B", "A")
    assert low < 3.0 < high
    assert ratio == pytest.approx(3.0, rel=0.03)
