"""From windows to latencies."""

import numpy as np
import pytest

from nas.latency.costs.windows import disturbance, latencies, summarise
from nas.runner.protocol import Window


def test_the_latency_is_a_low_quantile_of_all_samples():
    rounds = [[100.0 + i for i in range(10)], [500.0] * 10, [100.5 + i for i in range(10)]]
    latency = summarise(rounds)
    assert latency.rounds_ms == (0.1, 0.5, 0.1005)
    assert latency.value_ms == pytest.approx(1e-3 * np.quantile(np.concatenate(rounds), 0.02))
    assert latency.error_ms == pytest.approx(np.std([0.1, 0.1005], ddof=1) / np.sqrt(2))


def test_the_halves_are_those_of_the_time():
    latency = summarise([[100.0] * 10] * 3 + [[110.0] * 10] * 2)
    assert latency.halves_ms == pytest.approx((0.1, 0.11))
    assert summarise([[100.0] * 10]).halves_ms == pytest.approx((0.1, 0.1))


def test_one_round_has_a_cautious_error():
    assert summarise([[2000.0]]).error_ms == pytest.approx(0.06)


def shared_host(rng, *, rounds=40, at_full_speed=0.25):
    """Rounds on a core that loses 40 % of its speed while a neighbour is busy, as was seen."""
    for _ in range(rounds):
        factor = 1.0 if rng.random() < at_full_speed else 1.7
        yield 100 * factor * (1 + 0.01 * rng.exponential(size=10))


def test_a_core_that_is_at_full_speed_for_a_quarter_of_the_time_repeats_to_two_percent():
    values = [summarise(list(shared_host(np.random.default_rng(seed)))).value_ms for seed in range(50)]
    assert np.std(np.log(values)) < 0.02
    assert np.abs(np.array(values) / 0.1 - 1).max() < 0.05


def test_lasting_load_by_other_programs_disturbs_and_a_burst_does_not():
    def windows(*cpus):
        return [Window("a", i, float(i), 1, (50.0,), others_cpus=each) for i, each in enumerate(cpus)]

    assert disturbance(windows(1.0, None, 0.9, 1.1)) == "other programs kept 1.0 CPUs busy"
    assert disturbance(windows(0.0, 0.0, 1.0, 0.0, 0.02)) == ""
    assert disturbance(windows(None, None)) == ""


def test_of_a_repeated_window_the_last_counts():
    windows = [Window("a", round_, 0.0, 1, (us,)) for round_, us in ((0, 130.0), (1, 100.0), (0, 101.0))]
    assert latencies(windows)["a"].rounds_ms == (0.101, 0.1)
