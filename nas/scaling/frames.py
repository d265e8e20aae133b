"""All depths of a scaled network's stages at once.

A *frame* is a width and a resolution. Its blocks decide the latency of every depth: a stage grows by
repeating its last block, so one more block tells the cost of all further ones. The best depths of all
stages for each latency follow from the stages' curves, one stage after the other, because latencies and
errors of stages add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.scaling.capacity import Balance, combined_phi, depth_error, error, stage_weights, width_ratio
from nas.scaling.multipliers import scale, with_depths

REACH = 2.0
"""Widths and resolutions are looked at up to this far from the rough φ, in φ of their own dimension."""

STEP = 0.5
"""The distance of neighbouring widths and resolutions, in φ: 5 % in width and 7 % in resolution."""

_APART = 2.5  # width and resolution that differ by more are far from balanced
_BINS = 200  # depths within half a percent of a latency compete, and one of them stays


Option = tuple[float, float, tuple[int, ...]]
"""Latency in ms, error of the depth so far, and the depths of the stages so far."""


@dataclass(frozen=True)
class Frame:
    """A width and a resolution of a network; the depths of its stages are free.

    Attributes:
        base: The unscaled network.
        network: The network with this width and resolution, and the unscaled depths.
        balance: The best growth of the three dimensions.
        width: The width's error, relative to the unscaled network's.
        resolution: The resolution's error.
        deepest: The largest factor for the depth of a stage.
    """

    base: NetworkSpec
    network: NetworkSpec
    balance: Balance
    width: float
    resolution: float
    deepest: float

    def scaled(self, depths: Sequence[int]) -> NetworkSpec:
        """The network with a depth for each stage; 0 for an empty one."""
        return with_depths(self.network, [max(depth, 1) for depth in depths])

    @property
    def depths(self) -> tuple[int, ...]:
        """The unscaled depths."""
        return tuple(len(stage) for stage in self.network.stages)

    def phi(self, depth: float) -> float:
        """The equivalent φ with this error of the depth."""
        return combined_phi(self.balance, depth=depth, width=self.width, resolution=self.resolution)


@dataclass(frozen=True)
class Depths:
    """Depths of a frame's stages.

    Attributes:
        ms: Their latency, as the sum of the stages' curves.
        error: Their error, relative to the unscaled depths'.
        depths: Number of blocks of each stage.
    """

    ms: float
    error: float
    depths: tuple[int, ...]


def frames(
    network: NetworkSpec, *, balance: Balance, phi: float, lowest: float, highest: float
) -> tuple[Frame, ...]:
    """Lists valid widths and resolutions around a rough φ, each with other blocks, and the unscaled one.

    Args:
        network: The unscaled network.
        balance: The best growth of the three dimensions.
        phi: The rough φ, a multiple of ``STEP``.
        lowest: The smallest φ of a width or resolution.
        highest: The largest φ of a width or resolution.
    """
    count = round(REACH / STEP)
    steps = [phi + STEP * number for number in range(-count, count + 1)]
    steps = [step for step in steps if lowest <= step <= highest]
    widths, heights = (steps if base > 1 else [0.0] for base in (balance.beta, balance.gamma))
    pairs = [(w, h) for w in widths for h in heights if abs(w - h) <= _APART]
    distinct: dict[object, Frame] = {}
    for w, h in [(0.0, 0.0), *pairs]:
        with suppress(UserError):  # a block no longer fits
            frame = _frame(
                network,
                balance,
                width=balance.beta**w,
                resolution=balance.gamma**h,
                depth=balance.alpha ** max(phi + REACH, 0.0),
            )
            distinct.setdefault(frame.network.blocks, frame)
    return tuple(distinct.values())


def _frame(network: NetworkSpec, balance: Balance, *, width: float, resolution: float, depth: float) -> Frame:
    wide = scale(network, width=width)
    pixels = _pixels(network.resolution, resolution)
    return Frame(
        base=network,
        network=replace(wide, resolution=pixels),
        balance=balance,
        width=error(balance.beta, width_ratio(wide, network)),
        resolution=error(balance.gamma, pixels / network.resolution),
        deepest=depth,
    )


def _pixels(resolution: int, factor: float) -> int:
    """A resolution that feature maps can be halved in: a multiple of 2, 4 or 8."""
    if factor == 1:
        return resolution
    exact = resolution * factor
    step = 2 if exact < 64 else 4 if exact < 160 else 8
    return max(1, round(exact / step) * step)


def probes(frame: Frame) -> Iterator[tuple[int, int, NetworkSpec]]:
    """Yields the networks whose latencies give the curves: stage, its depth, and the network.

    The first one is the frame's own. Those after it have all smaller depths of one stage, or one more block.
    """
    depths = frame.depths
    yield 0, depths[0] if depths else 0, frame.network
    for stage, depth in enumerate(depths):
        for other in (*range(1, depth), *([depth + 1] if depth else [])):
            changed = [other if number == stage else each for number, each in enumerate(depths)]
            network = frame.scaled(changed)
            if network.stages == frame.network.stages:  # no block of this stage can be repeated
                continue
            with suppress(UserError):  # a block that cannot follow itself
                network.blocks  # noqa: B018
                yield stage, other, network


def best_depths(
    frame: Frame, probed: Sequence[tuple[int, int, float]], *, limit_ms: float
) -> tuple[Depths, ...]:
    """The depths that no others beat in both latency and error, by rising latency.

    Args:
        frame: The width and resolution.
        probed: Stage, depth and latency of ``probes``.
        limit_ms: The largest latency.
    """
    whole_ms = probed[0][2]
    weights = stage_weights(frame.base)
    curves = [
        _curve(frame, stage, [(depth, ms - whole_ms) for s, depth, ms in probed[1:] if s == stage])
        for stage in range(len(frame.depths))
    ]
    front: list[Option] = [(whole_ms, 0.0, ())]
    for stage, curve in enumerate(curves):
        rest_ms = sum(min(ms for _, ms, _ in later) for later in curves[stage + 1 :])
        options = [
            (ms + more_ms, part + weights[stage] * term, (*depths, depth))
            for ms, part, depths in front
            for depth, more_ms, term in curve
            if ms + more_ms + rest_ms <= limit_ms
        ]
        front = _undominated(options, bin_ms=whole_ms / _BINS)
    return tuple(Depths(ms, part if curves else 1.0, depths) for ms, part, depths in front)


def _curve(frame: Frame, stage: int, changes: Sequence[tuple[int, float]]) -> list[tuple[int, float, float]]:
    """Depth, change of the latency in ms, and error of every depth of one stage."""
    depth = frame.depths[stage]
    known = {depth: 0.0, **dict(changes)}
    if depth + 1 in known:
        most = max(math.ceil(depth * frame.deepest), depth + 2)
        known |= {other: (other - depth) * known[depth + 1] for other in range(depth + 2, most + 1)}
    return [
        (each, ms, depth_error(frame.balance, weights=(1.0,), ratios=(each / depth if depth else 1.0,)))
        for each, ms in known.items()
    ]


def _undominated(options: Sequence[Option], *, bin_ms: float) -> list[Option]:
    """Keeps the options that are better than all faster ones, the last one of each bin of latencies."""
    kept: dict[int, Option] = {}
    least = float("inf")
    for option in sorted(options):
        if option[1] < least:
            least = option[1]
            kept[int(option[0] / bin_ms)] = option
    return list(kept.values())
