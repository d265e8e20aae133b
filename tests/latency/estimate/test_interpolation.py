"""Estimates of blocks from measured ones of their kind."""

import numpy as np
import pytest

from nas.hardware import Device
from nas.latency import BlockCost, BlockModel, LatencyTable
from nas.latency.estimate.interpolation import with_interpolated_estimates
from nas.space import SearchSpace


def cost_ms(block) -> float:
    moved = sum(op.input_elements + op.out_shape.elements for op in block.ops)
    return 2e-3 + 1e-3 * len(block.ops) + 1e-7 * block.macs + 3e-7 * moved


@pytest.fixture(scope="module")
def blocks():
    return SearchSpace.load("tiny_32").block_specs(classes=10)


@pytest.fixture(scope="module")
def table(blocks):
    """Four blocks in five were measured, but for one kind of which there are few."""
    known = {b.key: BlockCost(cost_ms(b), 1e-5) for i, b in enumerate(blocks) if i % 5 and b.KIND != "linear"}
    return LatencyTable(name="part", device=Device(name="toy"), model=BlockModel(known))


def test_missing_blocks_are_estimated_from_their_kind_and_marked(blocks, table):
    whole = with_interpolated_estimates(table, blocks)
    missing = [b for b in blocks if b.key not in table.costs and b.KIND == "inverted_residual"]
    assert len(missing) >= 5
    errors = [abs(whole.costs[block.key].ms / cost_ms(block) - 1) for block in missing]
    assert np.mean(errors) < 0.02
    assert all(whole.costs[block.key].estimated for block in missing)
    assert all(whole.costs[block.key].error_ms > 0 for block in missing)
    assert {key: whole.costs[key] for key in table.costs} == table.costs


def test_a_kind_of_which_little_is_known_stays_missing(blocks, table):
    whole = with_interpolated_estimates(table, blocks)
    assert {block.KIND for block in whole.model.missing(blocks)} >= {"linear"}


def test_a_complete_table_stays_as_it_is(blocks, table):
    known = [block for block in blocks if block.key in table.costs]
    assert with_interpolated_estimates(table, known) is table


def test_estimates_are_not_fitted(blocks, table):
    missing = [b for b in blocks if b.key not in table.costs and b.KIND == "inverted_residual"]
    wrong = table.with_blocks({b.key: BlockCost(100.0, estimated=True) for b in missing[::2]})
    with_wrong, without = (with_interpolated_estimates(each, blocks).costs for each in (wrong, table))
    others = missing[1::2]
    assert [with_wrong[b.key] for b in others] == [without[b.key] for b in others]
