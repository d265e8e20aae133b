"""EfficientNet-B0 to B7 and EfficientNetV2."""

from __future__ import annotations

import math
from functools import partial

from nas.blocks import BlockSettings, Rounding
from nas.blocks.conv import Conv
from nas.blocks.fused_inverted_residual import FusedInvertedResidual
from nas.blocks.inverted_residual import InvertedResidual
from nas.blocks.pool import Pool
from nas.network.reference.base import Blocks, Body, add

SOURCE = "Tan and Le 2019, 'EfficientNet', table 1; multipliers of the authors' release"
V2_SOURCE = "Tan and Le 2021, 'EfficientNetV2', table 4, and the authors' release"

ROUNDING = Rounding(squeeze_divisor=1)  # squeeze-excite is a quarter of the block's input, not rounded

# Expansion, kernel, output channels, number of blocks, stride of the first one.
B0_STAGES = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)
# Name: width multiplier, depth multiplier, resolution.
_SCALES = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}
# One row per stage: fused (f) or not (m), expansion, output channels, blocks, stride of the first block.
_V2_TABLES = {
    "s": "f 1 24 2 1, f 4 48 4 2, f 4 64 4 2, m 4 128 6 2, m 6 160 9 1, m 6 256 15 2",
    "m": "f 1 24 3 1, f 4 48 5 2, f 4 80 5 2, m 4 160 7 2, m 6 176 14 1, m 6 304 18 2, m 6 512 5 1",
    "l": "f 1 32 4 1, f 4 64 7 2, f 4 96 7 2, m 4 192 10 2, m 6 224 19 1, m 6 384 25 2, m 6 640 7 1",
}
_V2_RESOLUTIONS = {"s": 384, "m": 480, "l": 480}


def _mbconv(*, width: float, stride: int, expand: float, kernel: int = 3) -> BlockSettings:
    return InvertedResidual(
        width=width,
        stride=stride,
        kernel=kernel,
        expand=expand,
        squeeze=0.25,
        squeeze_of="input",
        activation="silu",
        squeeze_activation="silu",
        gate="sigmoid",
    )


def _b(width: float, *, scale: float, depth: float) -> Body:
    width = width * scale
    stages = tuple(
        tuple(
            _mbconv(width=out * width, stride=1 if i else stride, expand=expand, kernel=kernel)
            for i in range(math.ceil(count * depth))
        )
        for expand, kernel, out, count, stride in B0_STAGES
    )
    return Body(
        stem=(Conv(width=32 * width, stride=2, activation="silu"),),
        stages=stages,
        head=(Conv(width=4 * ROUNDING.width(320 * width), kernel=1, activation="silu"), Pool()),
        rounding=ROUNDING,
    )


def _v2(width: float, *, size: str) -> Body:
    def stage(row: str) -> Blocks:
        fused, *numbers = row.split()
        expand, out, count, stride = map(int, numbers)
        block = FusedInvertedResidual if fused == "f" else _mbconv
        return tuple(block(width=out * width, stride=1 if i else stride, expand=expand) for i in range(count))

    stages = tuple(stage(row) for row in _V2_TABLES[size].split(", "))
    first = 32 if size == "l" else 24
    return Body(
        stem=(Conv(width=first * width, stride=2, activation="silu"),),
        stages=stages,
        head=(Conv(width=1280 * width, kernel=1, activation="silu"), Pool()),
        rounding=ROUNDING,
    )


for _name, (_scale, _depth, _resolution) in _SCALES.items():
    add(
        f"efficientnet_{_name}",
        partial(_b, scale=_scale, depth=_depth),
        resolution=_resolution,
        source=SOURCE,
    )
for _size, _resolution in _V2_RESOLUTIONS.items():
    add(f"efficientnet_v2_{_size}", partial(_v2, size=_size), resolution=_resolution, source=V2_SOURCE)
