"""Compound scaling (Tan and Le 2019, "EfficientNet", section 3.3): a network made deeper, wider and sharper.

``scale`` is the primitive; ``compound_scale`` sets its three factors from one number, and ``fit_to_latency``
looks for the largest such number that a device can afford. All of them work on ratios: rounding to whole
channels happens in the lowering of the new network, as for any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from nas.blocks import BlockSettings, field_names
from nas.errors import UserError, unknown
from nas.network import NetworkSpec

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
"""Growth of depth, width and resolution for each step of φ; found for EfficientNet-B0 (section 3.3)."""

ROUNDINGS = ("up", "nearest")
"""How a depth becomes a whole number of blocks. EfficientNet rounds up, which suits its steps of a whole φ;
but then the smallest step adds a block to every stage, and a small network has no neighbours in cost."""

LARGEST_PHI = 16.0
"""The largest φ of a grid: it makes a network cost some 30,000 times as much."""

_WIDER = 10  # networks by which a range grows; with steps of 0.1 the cost about doubles
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

    Stages grow by repeating the settings of their last block at stride 1, and shrink by dropping their last
    blocks, but one always stays. Stem and head keep their blocks.
    Widths, those of stem and head included, are multiplied before any rounding.

    Args:
        network: The network to start from.
        depth: Factor for the number of blocks of each stage.
        width: Factor for the output channels of every block.
        resolution: Factor for the input's height and width; the result is rounded to whole pixels.
        depth_rounding: ``up``, as in EfficientNet, or ``nearest``.

    Raises:
        UserError: If a factor is not a positive number, or the rounding has no such name.
    """
    if depth_rounding not in ROUNDINGS:
        raise unknown("depth_rounding", depth_rounding, ROUNDINGS)
    for name, factor in (("depth", depth), ("width", width), ("resolution", resolution)):
        _check_positive(name, factor)
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
        UserError: If a base is not a positive number, phi is not a number, or the rounding has no such name.
    """
    for name, base in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        _check_positive(name, base)
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


@dataclass(frozen=True)
class Scaled:
    """What ``fit_to_latency`` found.

    Attributes:
        network: The scaled network.
        phi: The compound coefficient that gave it.
        predicted_ms: Its predicted latency.
        tried: Every (phi, predicted latency in ms) that was looked at, phi ascending.
    """

    network: NetworkSpec
    phi: float
    predicted_ms: float
    tried: tuple[tuple[float, float], ...]


def scalings(
    network: NetworkSpec,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
    depth_rounding: str = "up",
    lowest: float = -6.0,
    highest: float = 8.0,
    step: float = 0.1,
) -> tuple[tuple[float, NetworkSpec], ...]:
    """Pairs of phi and scaled network on a grid, but for what is shrunk to nothing; see ``fit_to_latency``.

    Raises:
        UserError: If the grid is upside down, or no scaling is valid.
    """
    found = []
    for phi in _grid(lowest, highest, step):
        candidate = compound_scale(
            network, phi=phi, alpha=alpha, beta=beta, gamma=gamma, depth_rounding=depth_rounding
        )
        with suppress(UserError):  # lowering fails where a block no longer fits
            candidate.blocks  # noqa: B018
            found.append((phi, candidate))
    if not found:
        raise UserError("no scaling of the network is valid: each shrinks the image to nothing; raise phi")
    return tuple(found)


def fit_to_latency(
    network: NetworkSpec,
    *,
    latency_ms: float,
    predict: Callable[[NetworkSpec], float],
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
    depth_rounding: str = "up",
    lowest: float = -6.0,
    highest: float = 8.0,
    step: float = 0.1,
) -> Scaled:
    """The network with the largest phi on a grid whose predicted latency is within the budget.

    The whole grid is looked at: channels are rounded, so that latency is not quite monotone in phi. Where
    several phi give the same network, the one nearest to 0 stands for it.

    Args:
        network: The network to scale.
        latency_ms: The budget.
        predict: Predicted latency in ms of a network.
        alpha: Growth of the depth, see ``compound_scale``.
        beta: Growth of the width.
        gamma: Growth of the resolution.
        depth_rounding: As in ``scale``.
        lowest: The smallest phi of the grid.
        highest: The largest phi of the grid.
        step: The distance between two neighbours of the grid; it contains 0.

    Raises:
        UserError: If no phi of the grid meets the budget; the message says the smallest latency that one
            meets.
    """
    _check_positive("latency_ms", latency_ms)
    tried: list[tuple[float, float]] = []
    best: Scaled | None = None
    growth = {"alpha": alpha, "beta": beta, "gamma": gamma}
    grid = {"lowest": lowest, "highest": highest, "step": step}
    for phi, candidate in scalings(network, depth_rounding=depth_rounding, **growth, **grid):
        predicted_ms = float(predict(candidate))
        tried.append((phi, predicted_ms))
        if predicted_ms <= latency_ms and not _repeats(best, candidate):
            best = Scaled(candidate, phi, predicted_ms, ())
    if best is None:
        raise _too_slow(latency_ms, tried)
    return replace(best, tried=tuple(tried))


def _too_slow(latency_ms: float, tried: list[tuple[float, float]]) -> UserError:
    phi, least_ms = min(tried, key=lambda pair: pair[1])
    return UserError(
        f"no scaling of the network meets {latency_ms:g} ms; the smallest latency that can be met is "
        f"{math.ceil(least_ms * 1000) / 1000:g} ms, at phi {phi:g}: "
        "raise the budget, or start from a smaller network"
    )


def _repeats(best: Scaled | None, candidate: NetworkSpec) -> bool:
    """Whether a larger phi above 0 has only changed ratios, and no channel, block or pixel."""
    return best is not None and best.phi >= 0 and best.network.blocks == candidate.blocks


def _grid(lowest: float, highest: float, step: float) -> list[float]:
    _check_positive("step", step)
    if lowest > highest:
        raise UserError(f"lowest ({lowest:g}) is above highest ({highest:g}); give lowest ≤ highest")
    if not -LARGEST_PHI <= lowest <= highest <= LARGEST_PHI:
        raise UserError(
            f"phi from {lowest:g} to {highest:g} is too wide; allowed: {-LARGEST_PHI:g} to {LARGEST_PHI:g}"
        )
    first, last = math.ceil(lowest / step - _SLACK), math.floor(highest / step + _SLACK)
    return [round(i * step, 9) for i in range(first, last + 1)]


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"{name} is {value}; it must be a positive number")


def _deepen(stage: tuple[BlockSettings, ...], factor: float, rounding: str) -> tuple[BlockSettings, ...]:
    whole = math.ceil(len(stage) * factor - _SLACK)
    if rounding == "nearest":
        whole = math.floor(len(stage) * factor + 0.5)
    count = max(1, whole) if stage else 0
    if count <= len(stage):
        return stage[:count]
    return (*stage, *[_with(stage[-1], "stride", 1)] * (count - len(stage)))


def _widen(blocks: tuple[BlockSettings, ...], factor: float) -> tuple[BlockSettings, ...]:
    if factor == 1:
        return blocks
    return tuple(_with(block, "width", block.to_dict().get("width", 0) * factor) for block in blocks)  # type: ignore[operator]


def _with(block: BlockSettings, name: str, value: float) -> BlockSettings:
    """The block with one field changed, if it has that field."""
    return replace(block, **{name: value}) if name in field_names(type(block)) else block


def near_latency(
    network: NetworkSpec,
    candidates: Sequence[tuple[float, NetworkSpec]],
    *,
    latency_ms: float,
    now_ms: float,
    margin: float = 0.4,
) -> tuple[tuple[float, NetworkSpec], ...]:
    """Those of the scaled networks that may come near a latency budget: those worth measuring first.

    Latency is taken to grow with the multiply-accumulates to the power of 0.8. Where each block has a fixed
    cost it grows slower, and the budget may be met outside of what is kept: see ``decisive``.

    Args:
        network: The network as it is.
        candidates: What ``scalings`` gives.
        latency_ms: The budget.
        now_ms: Latency of the network as it is.
        margin: Networks whose rough latency is within this share of the budget are kept, with all between
            them; where there are none, the one nearest to the budget is.
    """
    _check_positive("latency_ms", latency_ms)
    off = [abs(now_ms * (each.macs / network.macs) ** 0.8 / latency_ms - 1) for _, each in candidates]
    kept = [place for place, share in enumerate(off) if share <= margin] or [off.index(min(off))]
    return tuple(candidates[kept[0] : kept[-1] + 1])


def decisive(
    candidates: Sequence[tuple[float, NetworkSpec]],
    near: Sequence[tuple[float, NetworkSpec]],
    *,
    latency_ms: float,
    predict: Callable[[Sequence[NetworkSpec]], Sequence[float]],
) -> tuple[tuple[float, NetworkSpec], ...]:
    """The range of a grid that tells which network meets a budget.

    It begins with what is near; it grows up while its largest is within the budget, down while none is.

    Args:
        candidates: What ``scalings`` gives.
        near: Some of them, next to each other: what ``near_latency`` gives.
        latency_ms: The budget.
        predict: Latencies in ms of networks, which may have to be measured.
    """
    phis = [phi for phi, _ in candidates]
    first, end = phis.index(near[0][0]), phis.index(near[-1][0]) + 1
    while True:
        found_ms = predict([network for _, network in candidates[first:end]])
        if found_ms[-1] <= latency_ms and end < len(phis):
            end = min(end + _WIDER, len(phis))
        elif min(found_ms) > latency_ms and first > 0:
            first = max(first - _WIDER, 0)
        else:
            return tuple(candidates[first:end])
