"""A table that is fitted on the latencies of whole networks alone, for devices that cannot be profiled."""

from __future__ import annotations

from pathlib import Path

from nas.hardware import Device
from nas.latency.table import LatencyTable
from nas.space import SearchSpace


def fit_networks(
    space: SearchSpace,
    source: Path,
    *,
    device: Device,
    sibling: LatencyTable | None = None,
    classes: int = 1000,
    input_channels: int | None = None,
    name: str = "",
) -> LatencyTable:
    """A table from a file of whole networks and their latencies.

    Args:
        space: The space that the networks belong to.
        source: A CSV file with the columns ``architecture`` (a code of the space) and ``latency_ms``, in the
            order of measuring.
        device: What was measured on.
        sibling: The table of a similar device, for which fewer networks are enough.
        classes: Outputs of the networks' classifier.
        input_channels: Channels of the input image; the space's by default.
        name: The table's name; by default the space's and the device's.

    Raises:
        UserError: If the file has a fault; the message names the line.
    """
    raise NotImplementedError
