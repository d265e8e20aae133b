"""EfficientViT for classification (Cai et al. 2023), with the geometry of timm."""

from __future__ import annotations

from functools import partial

from nas.blocks import BlockSettings
from nas.blocks.conv import Conv
from nas.blocks.inverted_residual import InvertedResidual
from nas.blocks.layer_norm import LayerNorm
from nas.blocks.linear import Linear
from nas.blocks.linear_attention import LinearAttention
from nas.blocks.pool import Pool
from nas.network.reference.base import UNROUNDED, Blocks, Body, add

SOURCE = "Cai et al. 2023, 'EfficientViT: Multi-Scale Linear Attention', table 5"
_ACTIVATION = "hard_swish"


def _inverted(width: float, *, expand: float, stride: int = 1, biased: bool = False) -> BlockSettings:
    return InvertedResidual(width=width, stride=stride, expand=expand, activation=_ACTIVATION, biased=biased)


def _stage(width: float, *, depth: int, attends: bool) -> Blocks:
    """Convolutions, or one that halves the image and modules of linear attention."""
    if attends:
        return (_inverted(width, expand=4, stride=2, biased=True), *(LinearAttention(),) * depth)
    return (_inverted(width, expand=4, stride=2), *(_inverted(width, expand=4),) * (depth - 1))


def _efficientvit(
    width: float, *, widths: tuple[int, ...], depths: tuple[int, ...], head: tuple[int, int]
) -> Body:
    first, *rest = (width * base for base in widths)
    return Body(
        stem=(
            Conv(width=first, stride=2, activation=_ACTIVATION),
            *(_inverted(first, expand=1),) * depths[0],
        ),
        stages=tuple(
            _stage(base, depth=depth, attends=number >= 2)
            for number, (base, depth) in enumerate(zip(rest, depths[1:], strict=True))
        ),
        head=(
            Conv(width=width * head[0], kernel=1, activation=_ACTIVATION),
            Pool(),
            Linear(width=width * head[1], bias=False),
            LayerNorm(epsilon=1e-5, activation=_ACTIVATION),
        ),
        rounding=UNROUNDED,
    )


add(
    "efficientvit_b0",
    partial(_efficientvit, widths=(8, 16, 32, 64, 128), depths=(1, 2, 2, 2, 2), head=(1024, 1280)),
    source=SOURCE,
)
add(
    "efficientvit_b1",
    partial(_efficientvit, widths=(16, 32, 64, 128, 256), depths=(1, 2, 3, 3, 4), head=(1536, 1600)),
    source=SOURCE,
)
