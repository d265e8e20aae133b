"""Multiplying a network's depth, width and resolution (Tan and Le 2019, "EfficientNet", section 3.3).

``scale`` is the primitive; ``compound_scale`` derives its three factors from one number. Both work on ratios:
channels are rounded in the lowering of the new network, as for any other network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nas.blocks import BlockSettings, field_names
from nas.errors import UserError, unknown
from nas.network import NetworkSpec

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
"""Growth of depth, width and resolution per step of φ, as published for EfficientNet-B0 (section 3.3)."""

ROUNDINGS = ("up", "nearest")
"""Rounding of a depth to whole blocks. EfficientNet rounds up, which suits its whole steps of φ; but then the
smallest step adds a block to every stage, and a small network has no neighbours of similar cost."""

_SLACK = 1e-9  # a product such as 10 * 1.1 must not round up because of its last bit


def scale(
    network: NetworkSpec,
    *,
    depth: float = 1.0,
    width: float = 1.0,
    resolution: float = 1.0,
    depth_rounding: str = "up",
) -> NetworkSpec:
    """Multiplies a network's depth, width and resolution.

    Stages grow by repeating their last block's settings at stride 1, and shrink by dropping their last
    blocks; one block always stays. Stem and head keep their blocks. All widths, including those of stem and
    head, are multiplied before any rounding.

    Args:
        network: The network to start from.
        depth: Factor for the number of blocks of each stage.
        width: Factor for the output channels of every block.
        resolution: Factor for the input's height and width; the result is rounded to whole pixels.
        depth_rounding: ``up``, as in EfficientNet, or ``nearest``.

    Raises:
        UserError: If a factor is not a positive number, or the rounding is unknown.
    """
    if depth_rounding not in ROUNDINGS:
        raise unknown("depth_rounding", depth_rounding, ROUNDINGS)
    for name, factor in (("depth", depth), ("width", width), ("resolution", resolution)):
        check_positive(name, factor)
    return replace(
        network,
        resolution=max(1, math.floor(network.resolution * resolution + 0.5)),
        stem=_widen(network.stem, width),
        stages=tuple(_widen(_deepen(stage, depth, depth_rounding), width) for stage in network.stages),
        head=_widen(network.head, width),
    )


def compound_scale(
    network: NetworkSpec,
    *,
    phi: float,
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
    depth_rounding: str = "up",
) -> NetworkSpec:
    """Scales depth by ``alpha**phi``, width by ``beta**phi`` and resolution by ``gamma**phi``.

    With alpha · beta² · gamma² ≈ 2, each step of phi about doubles the multiply-accumulates. A negative
    ``phi`` shrinks the network.

    Raises:
        UserError: If a base is not a positive number, phi is not finite, or the rounding is unknown.
    """
    for name, base in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        check_positive(name, base)
    if not math.isfinite(phi):
        raise UserError(
            f"phi is {phi}; it must be a finite number, e.g. 1 to double the cost or -1 to halve it"
        )
    return scale(
        network,
        depth=alpha**phi,
        width=beta**phi,
        resolution=gamma**phi,
        depth_rounding=depth_rounding,
    )


def with_depths(network: NetworkSpec, depths: Sequence[int]) -> NetworkSpec:
    """Sets the number of blocks of each stage, with the blocks that ``scale`` repeats or drops.

    Raises:
        UserError: If there is not one depth for each stage, or a depth is below 1. An empty stage stays
            empty.
    """
    if len(depths) != len(network.stages) or min(depths, default=1) < 1:
        raise UserError(f"depths are {list(depths)}; give a number of at least 1 for each stage")
    pairs = zip(network.stages, depths, strict=True)
    return replace(network, stages=tuple(_resized(stage, depth) for stage, depth in pairs))


def check_positive(name: str, value: float) -> None:
    """Raises a ``UserError`` that names a factor unless it is a positive number."""
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"{name} is {value}; it must be a positive number")


def _deepen(stage: tuple[BlockSettings, ...], factor: float, rounding: str) -> tuple[BlockSettings, ...]:
    whole = math.ceil(len(stage) * factor - _SLACK)
    if rounding == "nearest":
        whole = math.floor(len(stage) * factor + 0.5)
    return _resized(stage, max(1, whole))


def _resized(stage: tuple[BlockSettings, ...], count: int) -> tuple[BlockSettings, ...]:
    """The first blocks, or all and the last one repeated at stride 1. A patch embedding is never repeated."""
    if count <= len(stage) or not stage:
        return stage[:count]
    repeated = _with(stage[-1], "stride", 1)
    return (*stage, *[repeated] * (count - len(stage))) if repeated.step == 1 else stage


def _widen(blocks: tuple[BlockSettings, ...], factor: float) -> tuple[BlockSettings, ...]:
    if factor == 1:
        return blocks
    return tuple(_with(block, "width", block.to_dict().get("width", 0) * factor) for block in blocks)  # type: ignore[operator]


def _with(block: BlockSettings, name: str, value: float) -> BlockSettings:
    """Returns the block with one field changed, if it has that field."""
    return replace(block, **{name: value}) if name in field_names(type(block)) else block
