"""Rough latencies of networks whose blocks a table lacks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nas.latency import load_table
from nas.latency.estimate.interpolation import LEAST
from nas.latency.estimate.rough import rough_predictor
from nas.latency.models.blocks import BlockCost, BlockModel
from nas.space import SearchSpace

TABLE = load_table("ofa_mobilenet_v3-epyc_zen4-onnxruntime-fp32")
SPACE = SearchSpace.load("ofa_mobilenet_v3")


def test_known_networks_are_predicted_as_by_the_table() -> None:
    rng = np.random.default_rng(0)
    rows = [
        arch for arch in (SPACE.sample(rng) for _ in range(60)) if arch.resolution in (128, 160, 192, 224)
    ]
    networks = [SPACE.network(arch) for arch in rows[:5]]
    assert rough_predictor(TABLE)(networks) == [TABLE.predict(network) for network in networks]


def test_missing_blocks_are_estimated_within_a_fifth() -> None:
    """Half of the blocks are hidden, those of the rare kinds with them."""
    assert isinstance(TABLE.model, BlockModel)
    network = SPACE.network(dataclasses.replace(SPACE.largest(), resolution=192))
    hidden = {block.key for block in network.blocks[::2]} | {network.blocks[-1].key}
    costs = {key: cost for key, cost in TABLE.costs.items() if key not in hidden}
    partial = dataclasses.replace(TABLE, model=BlockModel(costs, TABLE.model.correction))
    assert partial.missing(network)
    assert rough_predictor(partial)([network])[0] == pytest.approx(TABLE.predict(network), rel=0.2)
    assert partial.missing(network), "the table itself stays as it is"


def test_a_block_is_estimated_from_those_of_its_own_kind_if_there_are_eight() -> None:
    """Convolutions, nine of 460 blocks, are made 100 times slower than all others; one of them is hidden."""
    costs = {
        key: dataclasses.replace(cost, ms=cost.ms * (100 if key.startswith("conv(") else 1))
        for key, cost in TABLE.costs.items()
    }
    network = SPACE.network(dataclasses.replace(SPACE.largest(), resolution=192))
    others = {key: cost for key, cost in costs.items() if key != network.blocks[0].key}
    assert sum(key.startswith("conv(") for key in others) == LEAST
    slow, partial = (dataclasses.replace(TABLE, model=BlockModel(each)) for each in (costs, others))
    assert rough_predictor(partial)([network])[0] == pytest.approx(slow.predict(network), rel=0.1)


def test_a_table_of_few_blocks_predicts_in_proportion_to_macs() -> None:
    network = SPACE.network(dataclasses.replace(SPACE.largest(), resolution=192))
    first = network.blocks[0]
    table = dataclasses.replace(TABLE, model=BlockModel({first.key: BlockCost(3.0)}))
    assert rough_predictor(table)([network]) == [pytest.approx(3.0 * network.macs / first.macs)]
    nothing = dataclasses.replace(TABLE, model=BlockModel({}))
    assert rough_predictor(nothing)([network]) == [0.0]
