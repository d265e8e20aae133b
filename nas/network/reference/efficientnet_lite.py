"""EfficientNet-Lite0 to Lite4: EfficientNet for phones and CPUs, without squeeze-excite and with ReLU6."""

from __future__ import annotations

import math
from functools import partial

from nas.blocks.conv import Conv
from nas.blocks.inverted_residual import InvertedResidual
from nas.blocks.pool import Pool
from nas.network.reference.base import Blocks, Body, add
from nas.network.reference.efficientnet import B0_STAGES

SOURCE = "Liu 2020, 'Higher accuracy on vision models with EfficientNet-Lite', and the authors' release"

# Name: width multiplier, depth multiplier, resolution.
_SCALES = {
    "lite0": (1.0, 1.0, 224),
    "lite1": (1.0, 1.1, 240),
    "lite2": (1.1, 1.2, 260),
    "lite3": (1.2, 1.4, 280),
    "lite4": (1.4, 1.8, 300),
}


def _stage(number: int, width: float, depth: float) -> Blocks:
    expand, kernel, out, count, stride = B0_STAGES[number]
    is_fixed = number in (0, len(B0_STAGES) - 1)  # the first and the last stage are not deepened
    return tuple(
        InvertedResidual(
            width=out * width, stride=1 if i else stride, kernel=kernel, expand=expand, activation="relu6"
        )
        for i in range(count if is_fixed else math.ceil(count * depth))
    )


def _lite(width: float, *, scale: float, depth: float) -> Body:
    """The network of a width multiplier. ``scale`` leaves stem and head as they are."""
    return Body(
        stem=(Conv(width=32 * width, stride=2, activation="relu6"),),
        stages=tuple(_stage(number, scale * width, depth) for number in range(len(B0_STAGES))),
        head=(Conv(width=1280 * width, kernel=1, activation="relu6"), Pool()),
        norm_epsilon=1e-3,
    )


for _name, (_scale, _depth, _resolution) in _SCALES.items():
    add(
        f"efficientnet_{_name}",
        partial(_lite, scale=_scale, depth=_depth),
        resolution=_resolution,
        source=SOURCE,
    )
