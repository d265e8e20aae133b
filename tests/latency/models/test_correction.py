"""The fitted correction."""

import numpy as np
import pytest

from nas.errors import UserError
from nas.latency.models.accuracy import compare
from nas.latency.models.correction import FEATURES, Correction, fit_correction

TRUTH = Correction(0.02, {"cost": 1.2, "operations": 1e-3, "weights": 1e-7})


@pytest.fixture
def networks(tiny_space, rng):
    return [tiny_space.network(tiny_space.sample(rng), classes=10).blocks for _ in range(40)]


@pytest.fixture
def costs(networks):
    return {block.key: 1e-3 + 1e-7 * block.macs for blocks in networks for block in blocks}


def latency(correction, blocks, costs):
    return correction.constant_ms + sum(correction.block_ms(block, costs[block.key]) for block in blocks)


def test_a_true_correction_is_found(networks, costs):
    measured = np.array([latency(TRUTH, blocks, costs) for blocks in networks])
    fitted = fit_correction(networks[:20], measured[:20], cost_ms=costs)
    predicted = np.array([latency(fitted, blocks, costs) for blocks in networks[20:]])
    assert compare(predicted, measured[20:]).mape < 0.005
    assert fitted.networks == 20


def test_noise_from_few_networks_does_not_run_away(networks, costs, rng):
    plain = np.array([latency(Correction(0.01), blocks, costs) for blocks in networks])
    noisy = plain * (1 + 0.05 * rng.standard_normal(len(plain)))
    fitted = fit_correction(networks[:5], noisy[:5], cost_ms=costs, constant_ms=0.01)
    predicted = np.array([latency(fitted, blocks, costs) for blocks in networks])
    assert compare(predicted, plain).mape < 0.1


def test_with_two_networks_the_plain_sum_is_kept(networks, costs):
    fitted = fit_correction(networks[:2], np.array([1.0, 2.0]), cost_ms=costs, constant_ms=0.5)
    assert fitted == Correction(constant_ms=0.5)
    assert fitted.block_ms(networks[0][0], 0.25) == 0.25


def test_a_correction_survives_json():
    assert Correction.from_dict(TRUTH.to_dict()) == TRUTH
    value = {**TRUTH.to_dict(), "coefficients": {"moon_phase": 1.0}}
    with pytest.raises(
        UserError, match=r"correction uses \['moon_phase'\], which this version does not know"
    ):
        Correction.from_dict(value)
    assert set(TRUTH.coefficients) < set(FEATURES)


def test_one_disturbed_network_hardly_counts(networks, costs):
    measured = np.array([latency(TRUTH, blocks, costs) for blocks in networks])
    disturbed = measured[:16].copy()
    disturbed[3] *= 1.6
    fitted = fit_correction(networks[:16], disturbed, cost_ms=costs)
    predicted = np.array([latency(fitted, blocks, costs) for blocks in networks[16:]])
    assert compare(predicted, measured[16:]).mape < 0.02
