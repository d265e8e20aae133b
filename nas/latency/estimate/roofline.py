"""A table that is estimated from a device's peaks, for devices that nobody has measured yet."""

from __future__ import annotations

from collections.abc import Iterable

from nas.blocks import BlockSpec
from nas.hardware import Device, roofline_ms
from nas.latency.models.blocks import BlockCost, BlockModel
from nas.latency.table import LatencyTable

ROOFLINE = "roofline"
"""The name that stands for such a table, as in ``table=roofline``."""


def roofline_table(
    blocks: Iterable[BlockSpec], *, device: Device, name: str = "", space: str = ""
) -> LatencyTable:
    """A table whose costs are roofline bounds; every one of them is marked as estimated, its error unknown.

    Args:
        blocks: What to put in, e.g. ``space.block_specs(classes=10)``.
        device: A device whose peaks are known.
        name: The table's name; by default it says that it is estimated.
        space: Name of the search space whose blocks these are.

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
    """The table with estimates for those of ``blocks`` that it lacks; what it holds stays as it is.

    Raises:
        UserError: If blocks are missing and the peaks of the table's device are unknown.
    """
    missing = {block.key: block for block in blocks if block.key not in table.costs}
    added = {
        key: BlockCost(ms=roofline_ms(block, device=table.device), estimated=True)
        for key, block in missing.items()
    }
    return table.with_blocks(added)
