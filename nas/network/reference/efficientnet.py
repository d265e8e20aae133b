"""EfficientNet-B0 to B7 and EfficientNetV2."""

from __future__ import annotations

import math
from functools import partial

from nas.blocks import BlockSettings, Rounding
from nas.blocks.conv import Conv
from nas.blocks.fused_inverted_residual import FusedInvertedResidual
from nas.blocks.inverted_residual import InvertedResidual
from nas.blocks.pool import Pool
from nas.network.reference.base import Body, add

SOURCE = "Tan and Le 2019, 'EfficientNet', table 1; multipliers of the authors' release"
V2_SOURCE = "Tan and Le 2021, 'EfficientNetV2', table 4, and the authors' release"

ROUNDING = Rounding(squeeze_divisor=1)  # squeeze-excite is a quarter of the block's input, not rounded

# Expansion, kernel, output channels, number of blocks, stride of the first one.
_B0 = ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1))  # fmt: skip
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
# Fused or not, expansion, output channels, number of blocks, stride of the first one.
_V2 = {
    "s": ((True, 1, 24, 2, 1), (True, 4, 48, 4, 2), (True, 4, 64, 4, 2), (False, 4, 128, 6, 2), (False, 6, 160, 9, 1), (False, 6, 256, 15, 2)),
    "m": ((True, 1, 24, 3, 1), (True, 4, 48, 5, 2), (True, 4, 80, 5, 2), (False, 4, 160, 7, 2), (False, 6, 176, 14, 1), (False, 6, 304, 18, 2), (False, 6, 512, 5, 1)),
    "l": ((True, 1, 32, 4, 1), (True, 4, 64, 7, 2), (True, 4, 96, 7, 2), (False, 4, 192, 10, 2), (False, 6, 224, 19, 1), (False, 6, 384, 25, 2), (False, 6, 640, 7, 1)),
}  # fmt: skip
_V2_RESOLUTIONS = {"s": 384, "m": 480, "l": 480}


def _mbconv(width: float, *, stride: int, expand: float, kernel: int = 3) -> BlockSettings:
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
            _mbconv(out * width, stride=1 if i else stride, expand=expand, kernel=kernel)
            for i in range(math.ceil(count * depth))
        )
        for expand, kernel, out, count, stride in _B0
    )
    return Body(
        stem=(Conv(width=32 * width, stride=2, activation="silu"),),
        stages=stages,
        head=(Conv(width=4 * ROUNDING.width(320 * width), kernel=1, activation="silu"), Pool()),
        rounding=ROUNDING,
    )


def _v2(width: float, *, size: str) -> Body:
    def block(fused: bool, expand: int, out: float, stride: int) -> BlockSettings:
        if fused:
            return FusedInvertedResidual(width=out, stride=stride, expand=expand)
        return _mbconv(out, stride=stride, expand=expand)

    rows = _V2[size]
    return Body(
        stem=(Conv(width=rows[0][2] * width, stride=2, activation="silu"),),
        stages=tuple(
            tuple(block(fused, expand, out * width, 1 if i else stride) for i in range(count))
            for fused, expand, out, count, stride in rows
        ),
        head=(Conv(width=1280 * width, kernel=1, activation="silu"), Pool()),
        rounding=ROUNDING,
    )


for _name, (_scale, _depth, _resolution) in _SCALES.items():
    add(f"efficientnet_{_name}", partial(_b, scale=_scale, depth=_depth), resolution=_resolution, source=SOURCE)
for _size, _resolution in _V2_RESOLUTIONS.items():
    add(f"efficientnet_v2_{_size}", partial(_v2, size=_size), resolution=_resolution, source=V2_SOURCE)
