"""Writes the explorer of a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UserError
from nas.files import write_text
from nas.latency.estimate.roofline import with_estimates
from nas.report.drawing.collection import Collection
from nas.report.explorer.costs import Target, block_costs, target_costs
from nas.report.explorer.geometry import Geometry
from nas.report.explorer.scaling import scaled, taken_apart
from nas.report.page.template import json_text, page, render
from nas.space import Architecture, SearchSpace

MOST_BYTES = 8 * 2**20
"""The most that an explorer may weigh."""


def write_explorer(
    path: Path,
    space: SearchSpace,
    *,
    space_name: str,
    targets: Sequence[Target],
    classes: int = 1000,
    input_channels: int | None = None,
    winner: Architecture | None = None,
    accuracy: Mapping[str, Any] | None = None,
) -> None:
    """Writes the page.

    Args:
        path: The file.
        space: The space.
        space_name: The space's name or path in commands.
        targets: The devices, each with its latencies.
        classes: Outputs of the classifier.
        input_channels: Channels of the image; the space's by default.
        winner: A network of the space to begin with; the smallest by default.
        accuracy: An additive model of the accuracy, from ``nas.report.explorer.accuracy``.

    Raises:
        UserError: If there is no device, or the page would weigh more than ``MOST_BYTES``.
    """
    if not targets:
        raise UserError("the explorer needs a device: name one with known peaks, or a table of blocks")
    channels = space.input_channels if input_channels is None else input_channels
    resolutions = list(space.resolutions)
    while True:
        text = _page(space, space_name, targets, resolutions, classes, channels, winner, accuracy)
        if len(text.encode()) <= MOST_BYTES:
            break
        if len(resolutions) == 1:
            raise UserError(f"the space {space.name} has too many blocks for a page; restrict its choices")
        resolutions = _spread(resolutions, max(len(resolutions) // 2, 1))
    write_text(path, text)


def _spread(resolutions: list[int], count: int) -> list[int]:
    positions = np.linspace(0, len(resolutions) - 1, count).round().astype(int)
    return [resolutions[i] for i in dict.fromkeys(positions.tolist())]


def _page(
    space: SearchSpace,
    space_name: str,
    targets: Sequence[Target],
    resolutions: list[int],
    classes: int,
    input_channels: int,
    winner: Architecture | None,
    accuracy: Mapping[str, Any] | None,
) -> str:
    geometry = Geometry.of(space, resolutions=resolutions, classes=classes, input_channels=input_channels)
    collection = Collection()
    for block in geometry.blocks:
        collection.number(block)  # cells have the numbers of blocks
    start = space.canonical(space.smallest() if winner is None else winner)
    base = space.network(start, classes=classes, input_channels=input_channels)
    phis = scaled(base, collection)
    blocks = collection.blocks
    shown = [_covering(target, blocks) for target in targets]
    data = {
        "space": space_name,
        "geometry": geometry.to_dict(),
        "costs": block_costs(blocks),
        "devices": [target_costs(target, blocks) for target in shown],
        "starts": _starts(space, winner),
        "scalings": phis,
        "apart": taken_apart(),
        "accuracy": accuracy,
    }
    title = f"Explore {space.name}"
    body = render(
        "explorer.html",
        title=title,
        description=space.description,
        size=space.size,
        classes=classes,
        left_out=len(space.resolutions) - len(resolutions),
        base="the winner" if winner is not None else "the smallest network",
        accuracy=accuracy,
        data={"explorer": json_text(data), "drawings": json_text(collection.to_dict())},
    )
    return page(title, body, scripts=("explorer.js",))


def _covering(target: Target, blocks: Sequence[Any]) -> Target:
    """The target with estimates for all blocks, if its latencies are estimates anyway."""
    if not target.estimated:
        return target
    return Target(with_estimates(target.table, blocks), target.estimated, target.named)


def _starts(space: SearchSpace, winner: Architecture | None) -> list[dict[str, Any]]:
    """The networks to begin with: name and row."""
    named = {"winner": winner} if winner is not None else {}
    archs = {**named, "smallest": space.smallest(), "largest": space.largest()}
    return [{"name": name, "row": space.encode([arch])[0].tolist()} for name, arch in archs.items()]
