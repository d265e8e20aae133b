"""Tables estimated from a device's peaks, for devices without measurements."""

from __future__ import annotations

from collections.abc import Iterable

from nas.blocks import BlockSpec
from nas.hardware import Device, roofline_ms
from nas.latency.models.blocks import BlockCost, BlockModel
from nas.latency.table import LatencyTable

ROOFLINE = "roofline"
"""The name of such a table, as in ``table=roofline``."""


def roofline_table(
    blocks: Iterable[BlockSpec], *, device: Device, name: str = "", space: str = ""
) -> LatencyTable:
    """A table of roofline bounds, all marked as estimates of unknown error.

    Args:
        blocks: The blocks, e.g. ``space.block_specs(classes=10)``.
        device: A device with known peaks.
        name: The table's name; the default includes that it is estimated.
        space: Name of the blocks' search space.

    Raises:
        UserError: If the device's peaks are unknown.
    """
    empty = LatencyTable(
        name=name or "-".join(filter(None, (space, device.name, "estimated"))),
        device=device,
        space=space,
        model=BlockModel({}),
        protocol={"method": "roofline"},
    )
    return with_estimates(empty, blocks)


def with_estimates(table: LatencyTable, blocks: Iterable[BlockSpec]) -> LatencyTable:
    """The table with estimates for the ``blocks`` that it lacks.

    Raises:
        UserError: If blocks are missing and the peaks of the table's device are unknown.
    """
    missing = {block.key: block for block in blocks if block.key not in table.costs}
    added = {
        key: BlockCost(ms=roofline_ms(block, device=table.device), estimated=True)
        for key, block in missing.items()
    }
    return table.with_blocks(added)
