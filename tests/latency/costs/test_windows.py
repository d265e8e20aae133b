"""From windows to latencies."""

import numpy as np
import pytest

from nas.latency.costs.windows import disturbance, drift, latencies, summarise
from nas.runner.protocol import Window


def window(entry, round_, start_s, us):
    return Window(entry, round_, start_s, 1, (us, 1.3 * us))


def test_disturbed_rounds_are_set_aside():
    latency = summarise([1.0, 1.5, 1.01, 1.005])
    assert latency.rounds_ms == (1.0, 1.5, 1.01, 1.005)
    assert (latency.mean_ms, latency.count) == (pytest.approx(1.0025), 2)
    assert latency.error_ms == pytest.approx(0.0025)


def test_one_round_has_a_cautious_error():
    assert summarise([2.0]).error_ms == pytest.approx(0.06)


def test_a_machine_that_slows_down_for_good_is_corrected():
    slow = [1.0 if t < 50 else 1.2 for t in range(100)]
    references = [window("ref", t, float(t), 100 * slow[t]) for t in range(100)]
    entries = [window("a", i, t + 0.1, 50 * slow[t]) for i, t in enumerate((10, 30, 70, 90))]
    latency = latencies([*references, *entries], references=["ref"])["a"]
    assert np.ptp(latency.rounds_ms) < 1e-6
    assert latency.mean_ms == pytest.approx(0.05)


def test_a_burst_and_small_changes_are_no_drift():
    levels = [100 + (t % 2) + (80 if t in (7, 20) else 0) for t in range(30)]
    windows = [window("ref", t, float(t), level) for t, level in enumerate(levels)]
    assert (drift(windows, references=["ref"]) == 1).all()


def test_lasting_load_by_other_programs_disturbs_and_a_burst_does_not():
    def windows(*cpus):
        return [Window("a", i, float(i), 1, (50.0,), others_cpus=each) for i, each in enumerate(cpus)]

    assert disturbance(windows(1.0, None, 0.9, 1.1)) == "other programs kept 1.0 CPUs busy"
    assert disturbance(windows(0.0, 0.0, 1.0, 0.0, 0.02)) == ""
    assert disturbance(windows(None, None)) == ""


def test_without_references_nothing_is_corrected():
    windows = [window("a", t, float(t), 10.0) for t in range(3)]
    assert (drift(windows, references=[]) == 1).all()
    assert latencies(windows, references=["ref"])["a"].mean_ms == pytest.approx(0.01)


def test_of_a_repeated_window_the_last_counts():
    windows = [window("a", 0, 0.0, 130.0), window("a", 1, 1.0, 100.0), window("a", 0, 2.0, 101.0)]
    assert latencies(windows, references=[])["a"].rounds_ms == (0.101, 0.1)
