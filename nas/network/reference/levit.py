"""LeViT (Graham et al. 2021), with the geometry of timm and one classifier.

LeViT is trained with a second classifier, which learns from a teacher. At inference it takes the mean of
both, which is one matrix product: this is the network that timm builds without distillation."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from nas.blocks.batch_norm import BatchNorm
from nas.blocks.conv import Conv
from nas.blocks.levit import LeViT
from nas.blocks.pool import Pool
from nas.network.reference.base import UNROUNDED, Blocks, Body, add

SOURCE = "Graham et al. 2021, 'LeViT', table 1"
_ACTIVATION = "hard_swish"


def _stem(width: float) -> Blocks:
    """Four convolutions that halve the image, the last one without an activation."""
    return tuple(
        Conv(width=width / part, stride=2, activation=_ACTIVATION if part > 1 else "identity")
        for part in (8, 4, 2, 1)
    )


def _levit(
    width: float, *, widths: tuple[int, ...], heads: tuple[int, ...], depths: tuple[int, ...], head_dim: int
) -> Body:
    stages: list[Blocks] = []
    for base, count, depth in zip(widths, heads, depths, strict=True):
        block = LeViT(width=base * width, head_dim=head_dim, heads=count)
        stages.append((*((replace(block, stride=2, heads=0),) if stages else ()), *(block,) * depth))
    stem = _stem(widths[0] * width)
    return Body(stem=stem, stages=tuple(stages), head=(Pool(), BatchNorm()), rounding=UNROUNDED)


add(
    "levit_128s",
    partial(_levit, widths=(128, 256, 384), heads=(4, 6, 8), depths=(2, 3, 4), head_dim=16),
    source=SOURCE,
)
add(
    "levit_192",
    partial(_levit, widths=(192, 288, 384), heads=(3, 5, 6), depths=(4, 4, 4), head_dim=32),
    source=SOURCE,
)
