"""Estimates for blocks that a measured table lacks: by their kind where it is known, else by the roofline."""

import pytest

from nas.errors import UserError
from nas.hardware import Device, roofline_ms
from nas.latency import BlockCost, BlockModel, LatencyTable
from nas.latency.estimate.missing import with_scaled_estimates
from nas.space import SearchSpace

DEVICE = Device(name="toy", peak_flops={"fp32": 1e11}, bandwidth_bytes_per_s=1e10)


@pytest.fixture(scope="module")
def blocks():
    return SearchSpace.load("tiny_32").block_specs(classes=10)


@pytest.fixture(scope="module")
def table(blocks):
    """Every other inverted residual was measured, at three times its bound."""
    known = [block for block in blocks if block.KIND == "inverted_residual"][::2]
    costs = {block.key: BlockCost(3 * roofline_ms(block, device=DEVICE), 1e-6) for block in known}
    return LatencyTable(name="half", device=Device(name="toy"), model=BlockModel(costs))


def test_every_block_gets_a_cost_and_what_was_not_measured_is_marked(blocks, table):
    whole = with_scaled_estimates(table, blocks, device=DEVICE)
    assert whole.model.missing(blocks) == ()
    for block in blocks:
        cost = whole.costs[block.key]
        assert cost.estimated == (block.key not in table.costs)
        assert cost.ms == pytest.approx(3 * roofline_ms(block, device=DEVICE), rel=0.3)


def test_a_known_kind_needs_no_peaks_and_any_other_does(blocks, table):
    known = [block for block in blocks if block.KIND == "inverted_residual"]
    bare = Device(name="bare")
    assert with_scaled_estimates(table, known, device=bare).model.missing(known) == ()
    with pytest.raises(UserError, match="device bare has no roofline"):
        with_scaled_estimates(table, blocks, device=bare)


def test_a_bound_is_scaled_as_the_blocks_of_its_kind_were(blocks):
    """Of each of two kinds, two blocks were measured: too few to interpolate."""
    factors = {"inverted_residual": 3.0, "depthwise_separable": 9.0}
    known = [block for k in factors for block in [b for b in blocks if b.key.startswith(f"{k}(")][:2]]
    costs = {
        block.key: BlockCost(factors[block.KIND] * roofline_ms(block, device=DEVICE), 1e-6) for block in known
    }
    table = LatencyTable(name="few", device=Device(name="toy"), model=BlockModel(costs))
    whole = with_scaled_estimates(table, blocks, device=DEVICE)
    for block in blocks:
        factor = factors.get(block.KIND, 6.0)  # of a kind that was not measured: the median of the others
        assert whole.costs[block.key].ms == pytest.approx(factor * roofline_ms(block, device=DEVICE))
