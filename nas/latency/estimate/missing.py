"""Estimates for the blocks that a measured table lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from nas.blocks import BlockSpec, parse_key
from nas.hardware import Device, roofline_ms
from nas.latency.estimate.interpolation import with_interpolated_estimates
from nas.latency.models.blocks import BlockCost
from nas.latency.table import LatencyTable

MISSING = ("measure", "error", "estimate")
"""The treatments of blocks that a table lacks (``table.missing``)."""


def with_scaled_estimates(
    table: LatencyTable, blocks: Iterable[BlockSpec], *, device: Device
) -> LatencyTable:
    """The table with estimates, marked as such, for those of ``blocks`` that it lacks.

    If enough blocks of its kind were measured, a block is estimated from them
    (``nas.latency.estimate.interpolation``). For any other, the estimate is its roofline bound, times the
    median ratio of cost to bound over the table's blocks of its kind, or over all blocks if there are none.
    The bound alone would make unmeasured blocks look fast.

    Args:
        table: The table.
        blocks: Blocks that the result has to contain.
        device: The table's device, with its peaks.

    Raises:
        UserError: If a bound is needed and the device's peaks are unknown.
    """
    blocks = tuple(blocks)
    table = with_interpolated_estimates(table, blocks)
    missing = table.model.missing(blocks)
    if not missing:
        return table
    factors = _factors(table, device)
    usual = float(np.median(list(factors.values()))) if factors else 1.0
    return table.with_blocks(
        {
            block.key: BlockCost(
                ms=roofline_ms(block, device=device) * factors.get(block.KIND, usual), estimated=True
            )
            for block in missing
        }
    )


def _factors(table: LatencyTable, device: Device) -> dict[str, float]:
    """The ratio of a block's cost to its roofline bound, by kind."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for key, cost in table.costs.items():
        block = parse_key(key)
        if not cost.estimated and cost.ms > 0 and block.macs > 0:
            ratios[block.KIND].append(cost.ms / roofline_ms(block, device=device))
    return {kind: float(np.median(values)) for kind, values in ratios.items()}
