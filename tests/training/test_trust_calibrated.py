"""The calibration of a supernet's accuracies by a few networks trained alone."""

from __future__ import annotations

import numpy as np
import pytest

from nas.arrays import FloatArray
from nas.statistics import kendall_tau
from nas.training.trust import Calibration, Compared, calibrating, features
from nas.training.trust.calibrated import FEATURES, LEAST, bands_of, left_out

FEW = 14
MANY = 200


def networks(seed: int, *, by_macs: float, by_supernet: float) -> tuple[FloatArray, FloatArray]:
    """Features and stand-alone accuracies that depend on MACs and on the supernet so much."""
    rng = np.random.default_rng(seed)
    size, quality = rng.normal(size=(2, FEW + MANY))
    macs, params = np.exp(15 + 0.7 * size), np.exp(12 + 0.5 * size + 0.3 * rng.normal(size=FEW + MANY))
    alone = 0.7 + 0.05 * (by_macs * size + by_supernet * quality) + 0.005 * rng.normal(size=FEW + MANY)
    return features(0.6 + 0.05 * quality, macs, params), alone


@pytest.mark.parametrize(("by_macs", "by_supernet", "own"), [(1.0, 0.0, 1), (0.0, 1.0, 0)])
def test_what_is_noise_is_ignored(by_macs: float, by_supernet: float, own: int) -> None:
    """With a few networks, it ranks unseen ones as the one feature does that matters."""
    for seed in range(8):
        inputs, alone = networks(seed, by_macs=by_macs, by_supernet=by_supernet)
        calibration = Calibration(inputs=inputs[:FEW], alone=alone[:FEW])
        found = calibration.predict(inputs[FEW:]).mean
        assert kendall_tau(found, alone[FEW:]) > kendall_tau(inputs[FEW:, own], alone[FEW:]) - 0.03
        assert calibration.shares[FEATURES[own]] > 0.9
    assert set(calibration.shares) == set(FEATURES)


def test_together_they_rank_better_than_each_alone() -> None:
    for seed in range(8):
        inputs, alone = networks(seed, by_macs=1.0, by_supernet=1.0)
        found = Calibration(inputs=inputs[:FEW], alone=alone[:FEW]).predict(inputs[FEW:]).mean
        best = max(kendall_tau(inputs[FEW:, own], alone[FEW:]) for own in (0, 1))
        assert kendall_tau(found, alone[FEW:]) > best + 0.2


def test_its_uncertainty_is_honest() -> None:
    """The truth is within two deviations in about 95 % of cases; far from all networks it grows."""
    within = []
    for seed in range(20):
        inputs, alone = networks(seed, by_macs=1.0, by_supernet=0.5)
        calibration = Calibration(inputs=inputs[:FEW], alone=alone[:FEW])
        found = calibration.predict(inputs[FEW:])
        within.append(np.mean(np.abs(found.mean - alone[FEW:]) < 1.96 * found.deviation))
        near, far = calibration.predict(inputs[0] + np.array([[0, 0, 0], [1.0, 9, 9]])).deviation
        assert far > 3 * near
    assert 0.9 < np.mean(within) < 0.99


def test_its_predictions_follow_the_units_of_nothing() -> None:
    """MACs in millions and accuracies moved and stretched change nothing else."""
    inputs, alone = networks(1, by_macs=1.0, by_supernet=0.5)
    plain = Calibration(inputs=inputs[:FEW], alone=alone[:FEW]).predict(inputs[FEW:])
    moved = inputs - [0.1, np.log(1e6), 0.0]
    other = Calibration(inputs=moved[:FEW], alone=0.2 + 0.5 * alone[:FEW]).predict(moved[FEW:])
    assert other.mean == pytest.approx(0.2 + 0.5 * plain.mean)
    assert other.deviation == pytest.approx(0.5 * plain.deviation)


def test_a_network_that_is_left_out_decides_nothing_about_itself() -> None:
    inputs, alone = networks(2, by_macs=1.0, by_supernet=1.0)
    inputs, alone = inputs[:FEW], alone[:FEW]
    groups = bands_of(np.exp(inputs[:, 1]), 3)
    before = left_out(inputs, alone, groups)
    changed = np.where(groups == 1, 0.1, alone)
    after = left_out(inputs, changed, groups)
    assert after[groups == 1] == pytest.approx(before[groups == 1])
    assert not np.allclose(after[groups != 1], before[groups != 1])


def test_bands_rise_with_macs_and_are_equally_large() -> None:
    macs = np.random.default_rng(0).permutation(np.arange(1, 13))
    bands = bands_of(macs, 4)
    assert np.bincount(bands).tolist() == [3, 3, 3, 3]
    assert all(macs[bands == low].max() < macs[bands == low + 1].min() for low in range(3))


def compared(inputs: FloatArray, alone: FloatArray) -> list[Compared]:
    return [
        Compared(
            role="random",
            code=str(number),
            resolution=32,
            macs=round(float(np.exp(macs))),
            params=round(float(np.exp(params))),
            images=10_000,
            inherited_correct=round(1e4 * inherited),
            alone_correct=round(1e4 * own),
            seconds=1.0,
        )
        for number, ((inherited, macs, params), own) in enumerate(
            zip(inputs.tolist(), alone.tolist(), strict=True)
        )
    ]


def test_the_report_compares_it_with_supernet_and_macs() -> None:
    inputs, alone = networks(3, by_macs=1.0, by_supernet=1.0)
    rows = compared(inputs[:FEW], alone[:FEW])
    found = calibrating(rows, resamples=200, seed=0)
    assert found is not None and found.networks == FEW and found.bands == 4
    true = [row.alone for row in rows]
    assert found.supernet.value == pytest.approx(kendall_tau([row.inherited for row in rows], true))
    assert found.macs.value == pytest.approx(kendall_tau([row.macs for row in rows], true))
    assert found.one_out.value > max(found.supernet.value, found.macs.value) + 0.1
    assert found.band_out.value > max(found.supernet.value, found.macs.value)
    assert found.advantage.value == pytest.approx(found.band_out.value - found.macs.value)
    for each in (found.supernet, found.macs, found.one_out, found.band_out, found.advantage):
        assert each.low <= each.value <= each.high
    assert 0.2 < found.error_points < 1 and 0.2 < found.band_error_points < 1
    assert found == calibrating(rows, resamples=200, seed=0)
    assert found.to_dict()["shares"] == found.shares


def test_too_few_networks_are_not_calibrated() -> None:
    rows = compared(*(part[: LEAST - 1] for part in networks(4, by_macs=1.0, by_supernet=1.0)))
    assert calibrating(rows, resamples=20, seed=0) is None
