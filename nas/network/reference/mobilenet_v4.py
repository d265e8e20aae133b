"""MobileNetV4-Conv-S (Qin et al. 2024)."""

from __future__ import annotations

from nas.blocks import BlockSettings
from nas.blocks.conv import Conv
from nas.blocks.pool import Pool
from nas.blocks.universal_inverted_bottleneck import UniversalInvertedBottleneck
from nas.network.reference.base import Blocks, Body, add

SOURCE = "Qin et al. 2024, 'MobileNetV4', appendix D (MNv4-Conv-S)"

# Kernel before and after the expansion (0: none), stride, output channels, expansion; one tuple per stage.
_STAGES = (
    (
        (5, 5, 2, 96, 3),
        *((0, 3, 1, 96, 2),) * 4,
        (3, 0, 1, 96, 4),
    ),
    (
        (3, 3, 2, 128, 6),
        (5, 5, 1, 128, 4),
        (0, 5, 1, 128, 4),
        (0, 5, 1, 128, 3),
        *((0, 3, 1, 128, 4),) * 2,
    ),
)


def _block(start: int, middle: int, stride: int, width: float, expand: int) -> BlockSettings:
    return UniversalInvertedBottleneck(
        width=width, stride=stride, start_kernel=start, middle_kernel=middle, expand=expand
    )


def _conv_small(width: float) -> Body:
    stages: tuple[Blocks, ...] = (
        (Conv(width=32 * width, stride=2), Conv(width=32 * width, kernel=1)),
        (Conv(width=96 * width, stride=2), Conv(width=64 * width, kernel=1)),
    )
    for rows in _STAGES:
        stages += (tuple(_block(s, m, stride, out * width, e) for s, m, stride, out, e in rows),)
    last = max(1.0, width)  # as in MobileNetV2, the last layer does not shrink
    return Body(
        stem=(Conv(width=32 * width, stride=2),),
        stages=stages,
        head=(Conv(width=960 * width, kernel=1), Pool(), Conv(width=1280 * last, kernel=1)),
    )


add("mobilenetv4_conv_small", _conv_small, source=SOURCE)
