"""MambaOut (Yu and Wang 2025), with the geometry of timm."""

from __future__ import annotations

from functools import partial

from nas.blocks import BlockSettings
from nas.blocks.gated_conv import GatedConv
from nas.blocks.layer_norm import LayerNorm
from nas.blocks.linear import Linear
from nas.blocks.patchify import Patchify
from nas.blocks.pool import Pool
from nas.network.reference.base import UNROUNDED, Blocks, Body, add

SOURCE = "Yu and Wang 2025, 'MambaOut: Do We Really Need Mamba for Vision?', table 1"


def _halving(width: float, activation: str = "identity") -> BlockSettings:
    return Patchify(width=width, stride=2, patch_kernel=3, activation=activation)


def _stage(width: float, *, depth: int, first: bool) -> Blocks:
    blocks = (GatedConv(),) * depth
    return blocks if first else (_halving(width), *blocks)


def _mambaout(width: float, *, widths: tuple[int, ...], depths: tuple[int, ...]) -> Body:
    sizes = [width * base for base in widths]
    return Body(
        stem=(_halving(sizes[0] / 2, "gelu"), _halving(sizes[0])),
        stages=tuple(
            _stage(size, depth=depth, first=not number)
            for number, (size, depth) in enumerate(zip(sizes, depths, strict=True))
        ),
        head=(Pool(), LayerNorm(), Linear(width=4 * sizes[-1], activation="gelu"), LayerNorm()),
        rounding=UNROUNDED,
    )


add(
    "mambaout_femto",
    partial(_mambaout, widths=(48, 96, 192, 288), depths=(3, 3, 9, 3)),
    source=SOURCE,
)
