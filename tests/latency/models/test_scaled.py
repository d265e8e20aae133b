"""A model of a device on which everything takes longer by a factor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.latency.models.features import network_features
from nas.latency.models.networks import Scaling, fit_network_model


@pytest.fixture(scope="module")
def networks(tiny_space):
    rows = np.unique(tiny_space.sample_many(60, np.random.default_rng(0)), axis=0)
    return [tiny_space.network(arch, classes=10) for arch in tiny_space.decode(rows)]


@pytest.fixture(scope="module")
def models(networks, made_up_table):
    """One of each kind: of blocks, of networks, and of networks with a sibling."""
    features = np.array([network_features(network.blocks) for network in networks])
    known_ms = np.array([made_up_table.predict(network) for network in networks])
    measured_ms = known_ms * (1 + 0.1 * np.sin(np.arange(len(networks))))
    scaling = Scaling.of(features)
    return (
        made_up_table.model,
        fit_network_model(features[:20], measured_ms[:20], scaling=scaling),
        fit_network_model(
            features[:20],
            measured_ms[:20],
            scaling=scaling,
            sibling=made_up_table.model,
            sibling_ms=known_ms[:20],
        ),
    )


@given(factor=st.floats(0.05, 20), number=st.integers(0, 2))
def test_every_latency_grows_by_the_factor(models, networks, tiny_space, factor, number):
    model, scaled = models[number], models[number].scaled(factor)
    for network in networks[:3]:
        assert scaled.predict(network.blocks) == pytest.approx(
            factor * model.predict(network.blocks), rel=1e-6
        )
        assert scaled.is_estimate(network.blocks) == model.is_estimate(network.blocks)
    lowered = tiny_space.lower_many(tiny_space.sample_many(5, np.random.default_rng(1)), classes=10)
    assert scaled.predict_many(lowered) == pytest.approx(factor * model.predict_many(lowered), rel=1e-6)


def test_a_plain_sum_predicts_what_the_corrected_costs_do(made_up_table, networks):
    plain = made_up_table.model.without_correction()
    for network in networks[:5]:
        assert plain.predict(network.blocks) == pytest.approx(made_up_table.predict(network))
        assert plain.parts(network.blocks) == pytest.approx(made_up_table.model.parts(network.blocks))
