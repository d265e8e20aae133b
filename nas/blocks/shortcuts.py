"""The shortcut of residual blocks (He et al. 2016, section 3.3)."""

from __future__ import annotations

from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Shape
from nas.errors import unknown

SHORTCUTS = ("none", "projection", "pool_projection")
"""Replacements of an identity that does not fit: none, a 1×1 convolution with the block's stride, or average
pooling followed by a 1×1 convolution (He et al. 2019, "Bag of Tricks", ResNet-D)."""


def check_shortcut(value: str) -> None:
    """Checks that a shortcut exists.

    Raises:
        UserError: If ``value`` is not one of ``SHORTCUTS``.
    """
    if value not in SHORTCUTS:
        raise unknown("shortcut", value, SHORTCUTS)


def choose_shortcut(shape: Shape, out_channels: int, stride: int, otherwise: str) -> str:
    """The identity if it fits, else ``otherwise``; stride 1 needs no pooling."""
    if stride == 1 and out_channels == shape.channels:
        return "identity"
    return "projection" if stride == 1 and otherwise == "pool_projection" else otherwise


def add_shortcut(net: Lowering, x: int, *, shortcut: str, stride: int) -> int:
    """Adds the block's input to ``x`` through the shortcut; returns the position of the sum."""
    if shortcut == "none":
        return x
    if shortcut == "identity":
        return net.add(x, INPUT)
    y, channels = INPUT, net.shape(x).channels
    if shortcut == "pool_projection":
        y = net.pool(y, mode="average", kernel=stride, stride=stride, ceil=True)
        stride = 1
    return net.add(x, net.conv(y, channels, role="shortcut", stride=stride))
