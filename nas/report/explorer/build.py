"""Writes the explorer of a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

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


@final
@dataclass(frozen=True, kw_only=True)
class Explored:
    """A space in an explorer.

    Attributes:
        space: The space.
        name: The space's name or path in commands.
        targets: The devices, each with its latencies.
        classes: Outputs of the classifier.
        input_channels: Channels of the image; the space's by default.
        winner: A network of the space to begin with; the smallest by default.
        accuracy: An additive model of the accuracy, from ``nas.report.explorer.accuracy``.
    """

    space: SearchSpace
    name: str
    targets: Sequence[Target]
    classes: int = 1000
    input_channels: int | None = None
    winner: Architecture | None = None
    accuracy: Mapping[str, Any] | None = None

    @property
    def channels(self) -> int:
        """Channels of the image."""
        return self.space.input_channels if self.input_channels is None else self.input_channels


def write_explorer(path: Path, spaces: Sequence[Explored]) -> None:
    """Writes the page; the reader switches between its spaces.

    Args:
        path: The file.
        spaces: The spaces, at least one; the first is shown first.

    Raises:
        UserError: If there is no device, or the page would weigh more than ``MOST_BYTES``.
    """
    if not all(each.targets for each in spaces):
        raise UserError("the explorer needs a device: name one with known peaks, or a table of blocks")
    data: dict[str, str] = {}
    share = (MOST_BYTES - len(_page(spaces, {}).encode())) // len(spaces)
    for number, each in enumerate(spaces):
        suffix = f"-{number}" if number else ""
        names = [other.space.name for other in spaces]
        content, cells = _within(each, names, share)
        data |= {f"explorer{suffix}": content, f"drawings{suffix}": cells}
    write_text(path, _page(spaces, data))


def _within(explored: Explored, names: Sequence[str], most: int) -> tuple[str, str]:
    """Returns the data of a space and its drawings, with as many of its resolutions as fit into the bytes."""
    resolutions = list(explored.space.resolutions)
    while True:
        texts = _texts(explored, names, resolutions)
        if sum(len(text.encode()) for text in texts) <= most:
            return texts
        if len(resolutions) == 1:
            raise UserError(
                f"the space {explored.space.name} has too many blocks for a page; restrict its choices"
            )
        resolutions = _spread(resolutions, max(len(resolutions) // 2, 1))


def _spread(resolutions: list[int], count: int) -> list[int]:
    positions = np.linspace(0, len(resolutions) - 1, count).round().astype(int)
    return [resolutions[i] for i in dict.fromkeys(positions.tolist())]


def _texts(explored: Explored, names: Sequence[str], resolutions: list[int]) -> tuple[str, str]:
    space, classes = explored.space, explored.classes
    sizes = {"classes": classes, "input_channels": explored.channels}
    geometry = Geometry.of(space, resolutions=resolutions, **sizes)
    collection = Collection()
    for block in geometry.blocks:
        collection.number(block)  # cells have the numbers of blocks
    start = space.canonical(space.smallest() if explored.winner is None else explored.winner)
    phis = scaled(space.network(start, **sizes), collection)
    blocks = collection.blocks
    shown = [_covering(target, blocks) for target in explored.targets]
    left_out = len(space.resolutions) - len(resolutions)
    data = {
        "spaces": names,
        "space": explored.name,
        "title": f"Explore {space.name}",
        "size": f"{space.size:,} networks, {classes} classes",
        "description": space.description,
        "left_out": f"{left_out} of the space's resolutions are left out, so that the page stays small."
        if left_out
        else "",
        "base": "the search's choice" if explored.winner is not None else "the smallest network",
        "geometry": geometry.to_dict(),
        "costs": block_costs(blocks),
        "devices": [target_costs(target, blocks) for target in shown],
        "starts": _starts(space, explored.winner),
        "scalings": phis,
        "apart": taken_apart(),
        "accuracy": explored.accuracy,
    }
    return json_text(data), json_text(collection.to_dict())


def _page(spaces: Sequence[Explored], data: Mapping[str, str]) -> str:
    title = f"Explore {', '.join(each.space.name for each in spaces)}"
    body = render("explorer.html", several=len(spaces) > 1, data=data)
    return page(title, body, scripts=("explorer.js",))


def _covering(target: Target, blocks: Sequence[Any]) -> Target:
    """The target with estimates for all blocks, if its latencies are estimates anyway."""
    if not target.estimated:
        return target
    return Target(with_estimates(target.table, blocks), target.estimated, target.named)


def _starts(space: SearchSpace, winner: Architecture | None) -> list[dict[str, Any]]:
    """The networks to begin with: name and row."""
    named = {"search's choice": winner} if winner is not None else {}
    archs = {**named, "smallest": space.smallest(), "largest": space.largest()}
    return [{"name": name, "row": space.encode([arch])[0].tolist()} for name, arch in archs.items()]
