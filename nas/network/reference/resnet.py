"""ResNet (He et al. 2016), with the stride in the 3×3 convolution of a bottleneck, as in torchvision."""

from __future__ import annotations

from functools import partial

from nas.blocks import BlockSettings
from nas.blocks.conv import Conv
from nas.blocks.max_pool import MaxPool
from nas.blocks.pool import Pool
from nas.blocks.residual_basic import ResidualBasic
from nas.blocks.residual_bottleneck import ResidualBottleneck
from nas.network.reference.base import UNROUNDED, Body, add

SOURCE = "He et al. 2016, 'Deep Residual Learning for Image Recognition', table 1"
CIFAR_SOURCE = (
    "He et al. 2016, 'Deep Residual Learning for Image Recognition', section 4.2, with projection shortcuts"
)


def _basic(width: float, stride: int) -> BlockSettings:
    return ResidualBasic(width=width, stride=stride)


def _bottleneck(width: float, stride: int) -> BlockSettings:
    return ResidualBottleneck(width=4 * width, stride=stride, expand=0.25)


def _resnet(width: float, *, depths: tuple[int, ...], bottleneck: bool) -> Body:
    block = _bottleneck if bottleneck else _basic
    return Body(
        stem=(Conv(width=64 * width, stride=2, kernel=7), MaxPool(stride=2, kernel=3)),
        stages=tuple(
            tuple(block(64 * 2**number * width, 1 if index or not number else 2) for index in range(depth))
            for number, depth in enumerate(depths)
        ),
        head=(Pool(),),
        rounding=UNROUNDED,
    )


def _cifar(width: float, *, depth: int) -> Body:
    return Body(
        stem=(Conv(width=16 * width),),
        stages=tuple(
            tuple(_basic(16 * 2**number * width, 1 if index or not number else 2) for index in range(depth))
            for number in range(3)
        ),
        head=(Pool(),),
        rounding=UNROUNDED,
    )


add("resnet18", partial(_resnet, depths=(2, 2, 2, 2), bottleneck=False), source=SOURCE)
add("resnet34", partial(_resnet, depths=(3, 4, 6, 3), bottleneck=False), source=SOURCE)
add("resnet50", partial(_resnet, depths=(3, 4, 6, 3), bottleneck=True), source=SOURCE)
add("resnet101", partial(_resnet, depths=(3, 4, 23, 3), bottleneck=True), source=SOURCE)
add("resnet152", partial(_resnet, depths=(3, 8, 36, 3), bottleneck=True), source=SOURCE)
add("resnet20", partial(_cifar, depth=3), resolution=32, source=CIFAR_SOURCE)
