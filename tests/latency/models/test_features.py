"""Physical features of networks."""

import numpy as np
import pytest

from nas.blocks.ops import Conv2d, Shape
from nas.latency import load_table
from nas.latency.models.features import (
    BY_LEVEL,
    COLUMN,
    COLUMNS,
    LEVELS,
    many_features,
    network_features,
    quantities,
)
from nas.network import reference_network
from nas.space import SearchSpace


@pytest.fixture(scope="module")
def network():
    return reference_network("mobilenet_v3_large")


def test_totals_are_those_of_the_network(network):
    found = network_features(network.blocks)
    ops = [op for block in network.blocks for op in block.ops]
    assert found[COLUMN["macs"]] == network.macs
    assert found[COLUMN["operations"]] == len(ops)
    assert found[COLUMN["moved"]] == sum(op.input_elements + op.out_shape.elements for op in ops)
    assert found[COLUMN["networks"]] == 1
    assert found[COLUMN["image_pixels"]] == 224**2


def test_the_definition_that_shipped_models_were_fitted_with_stays():
    space = SearchSpace.load("ofa_mobilenet_v3")
    shipped = load_table("v100-batch1")
    assert shipped.predict(space.network(space.largest())) == pytest.approx(12.981108793587724, rel=1e-9)


def test_arithmetic_is_divided_among_kinds_of_operations_and_levels(network):
    found = network_features(network.blocks)
    kinds = ("depthwise_macs", "convolution_macs", "vector_macs")
    pointwise = [f"pointwise_macs@{level}" for level in range(LEVELS)]
    assert sum(found[COLUMN[name]] for name in (*kinds, *pointwise)) == network.macs
    for name in ("operations", "moved"):
        levels = [found[COLUMN[f"{name}@{level}"]] for level in range(LEVELS)]
        assert sum(levels) == found[COLUMN[name]]
        assert sum(value > 0 for value in levels) >= 6
    assert set(BY_LEVEL) == {"operations", "pointwise_macs", "moved"}


def test_a_depthwise_kernel_counts_as_the_nearest_that_has_a_feature():
    def of(kernel):
        return quantities(Conv2d(in_shape=Shape(8, 4, 4), out_channels=8, kernel=kernel, groups=8))

    assert of(5)["depthwise5_elements"] == 8 * 4 * 4
    assert of(9)["depthwise7_elements"] == 8 * 4 * 4
    assert of(1)["depthwise3_elements"] == 8 * 4 * 4


@pytest.mark.parametrize("name", ["tiny_32", "ofa_mobilenet_v3", "mixed_32", "convnext"])
def test_many_equal_one_by_one(name):
    space = SearchSpace.load(name)
    rows = space.sample_many(30, np.random.default_rng(0))
    projection = np.random.default_rng(1).standard_normal((len(COLUMNS), 3))
    many = many_features(space.lower_many(rows), projection)
    one = [network_features(space.network(arch).blocks) @ projection for arch in space.decode(rows)]
    np.testing.assert_allclose(many, one, rtol=1e-9)
