"""MobileNetV1 to V3 and MnasNet."""

from __future__ import annotations

from dataclasses import replace

from nas.blocks import Rounding
from nas.blocks.conv import Conv
from nas.blocks.depthwise_separable import DepthwiseSeparable
from nas.blocks.inverted_residual import InvertedResidual
from nas.blocks.linear import Linear
from nas.blocks.pool import Pool
from nas.network.reference.base import Blocks, Body, add

V1_SOURCE = "Howard et al. 2017, 'MobileNets', table 1"
V2_SOURCE = "Sandler et al. 2018, 'MobileNetV2', table 2"
V3_SOURCE = "Howard et al. 2019, 'Searching for MobileNetV3', tables 1 and 2"
MNASNET_SOURCE = "Tan et al. 2019, 'MnasNet', figure 7 (MnasNet-B1, without squeeze-excite)"

# Output channels, number of blocks, stride of the first one.
_V1 = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))
# Expansion, output channels, number of blocks, stride of the first one.
_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# Expansion, kernel, output channels, number of blocks, stride of the first one.
_MNASNET = (
    (3, 3, 24, 3, 2),
    (3, 5, 40, 3, 2),
    (6, 5, 80, 3, 2),
    (6, 3, 96, 2, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)
# Kernel, expanded channels, output channels, squeeze-excite, activation, stride; an empty row ends a stage.
_V3_LARGE = """
3 16 16 no relu 1

3 64 24 no relu 2
3 72 24 no relu 1

5 72 40 yes relu 2
5 120 40 yes relu 1
5 120 40 yes relu 1

3 240 80 no hard_swish 2
3 200 80 no hard_swish 1
3 184 80 no hard_swish 1
3 184 80 no hard_swish 1

3 480 112 yes hard_swish 1
3 672 112 yes hard_swish 1

5 672 160 yes hard_swish 2
5 960 160 yes hard_swish 1
5 960 160 yes hard_swish 1
"""
_V3_SMALL = """
3 16 16 yes relu 2

3 72 24 no relu 2
3 88 24 no relu 1

5 96 40 yes hard_swish 2
5 240 40 yes hard_swish 1
5 240 40 yes hard_swish 1

5 120 48 yes hard_swish 1
5 144 48 yes hard_swish 1

5 288 96 yes hard_swish 2
5 576 96 yes hard_swish 1
5 576 96 yes hard_swish 1
"""


def _mobilenet_v1(width: float) -> Body:
    def stage(out: int, depth: int, stride: int) -> Blocks:
        return tuple(DepthwiseSeparable(width=out * width, stride=1 if i else stride) for i in range(depth))

    return Body(
        stem=(Conv(width=32 * width, stride=2),), stages=tuple(stage(*row) for row in _V1), head=(Pool(),)
    )


def _mobilenet_v2_cifar(width: float) -> Body:
    """MobileNetV2 that shrinks the image by 8 instead of 32, as is usual for images of 32 pixels."""
    body = _mobilenet_v2(width)
    keep = (body.stem, body.stages[1])
    stem, second = (tuple(replace(block, stride=1) for block in blocks) for blocks in keep)  # type: ignore[call-arg]
    return replace(body, stem=stem, stages=(body.stages[0], second, *body.stages[2:]))


def _mobilenet_v2(width: float) -> Body:
    def stage(expand: int, out: int, depth: int, stride: int) -> Blocks:
        return tuple(
            InvertedResidual(width=out * width, stride=1 if i else stride, expand=expand, activation="relu6")
            for i in range(depth)
        )

    last = 1280 * max(1.0, width)  # the last layer does not shrink: Sandler et al. 2018, section 5
    return Body(
        stem=(Conv(width=32 * width, stride=2, activation="relu6"),),
        stages=tuple(stage(*row) for row in _V2),
        head=(Conv(width=last, kernel=1, activation="relu6"), Pool()),
    )


def _mnasnet(width: float) -> Body:
    def stage(expand: int, kernel: int, out: int, depth: int, stride: int) -> Blocks:
        return tuple(
            InvertedResidual(
                width=out * width, stride=1 if i else stride, kernel=kernel, expand=expand, activation="relu"
            )
            for i in range(depth)
        )

    return Body(
        stem=(
            Conv(width=32 * width, stride=2),
            InvertedResidual(width=16 * width, expand=1, activation="relu"),
        ),
        stages=tuple(stage(*row) for row in _MNASNET),
        head=(Conv(width=1280, kernel=1), Pool()),
    )


def _v3_stages(table: str, width: float, rounding: Rounding) -> tuple[Blocks, ...]:
    """The stages of MobileNetV3, whose expanded widths are published as counts.

    The ratio is to the rounded input, so that the expanded count is the published one times the multiplier.
    """
    channels, stages = rounding.width(16 * width), []
    for part in table.strip().split("\n\n"):
        stage = []
        for row in part.splitlines():
            kernel, expanded, out, squeeze, activation, stride = row.split()
            stage.append(
                InvertedResidual(
                    width=int(out) * width,
                    stride=int(stride),
                    kernel=int(kernel),
                    expand=rounding.expanded(int(expanded) * width) / channels,
                    squeeze=0.25 if squeeze == "yes" else 0.0,
                    activation=activation,
                )
            )
            channels = rounding.width(int(out) * width)
        stages.append(tuple(stage))
    return tuple(stages)


def _mobilenet_v3(width: float, table: str, *, out: int, last: int) -> Body:
    rounding = Rounding()
    return Body(
        stem=(Conv(width=16 * width, stride=2, activation="hard_swish"),),
        stages=_v3_stages(table, width, rounding),
        head=(
            Conv(width=6 * rounding.width(out * width), kernel=1, activation="hard_swish"),
            Pool(),
            Linear(width=last * width, activation="hard_swish"),
        ),
        rounding=rounding,
    )


add("mobilenet_v1", _mobilenet_v1, source=V1_SOURCE)
add("mobilenet_v2", _mobilenet_v2, source=V2_SOURCE)
add(
    "mobilenet_v2_cifar",
    _mobilenet_v2_cifar,
    resolution=32,
    source=f"{V2_SOURCE}; stride 1 in the stem and the second stage",
)
add("mobilenet_v3_large", lambda w: _mobilenet_v3(w, _V3_LARGE, out=160, last=1280), source=V3_SOURCE)
add("mobilenet_v3_small", lambda w: _mobilenet_v3(w, _V3_SMALL, out=96, last=1024), source=V3_SOURCE)
add("mnasnet0_5", lambda w: _mnasnet(0.5 * w), source=MNASNET_SOURCE)
add("mnasnet0_75", lambda w: _mnasnet(0.75 * w), source=MNASNET_SOURCE)
add("mnasnet1_0", _mnasnet, source=MNASNET_SOURCE)
add("mnasnet1_3", lambda w: _mnasnet(1.3 * w), source=MNASNET_SOURCE)
