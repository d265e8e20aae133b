"""Savings of depthwise separable convolutions and inverted residuals over an ordinary convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Conv2d, Shape
from nas.errors import UserError

EXPANSIONS = (1, 2, 3, 6)


@final
@dataclass(frozen=True, kw_only=True)
class Form:
    """One way to map Cin to Cout channels with a K×K neighbourhood.

    Attributes:
        name: Name of the form.
        weights: Number of convolution weights, without biases and BatchNorm.
        macs: Multiply-accumulates for one image.
    """

    name: str
    weights: int
    macs: int


def forms(*, kernel: int, in_channels: int, out_channels: int, height: int, width: int) -> tuple[Form, ...]:
    """Returns an ordinary convolution, its depthwise separable form, and inverted residuals, all at stride 1.

    The separable form costs 1/Cout + 1/K² of the multiply-accumulates (Howard et al. 2017, section 3.1). An
    inverted residual (Sandler et al. 2018, table 1) expands first: at expansion t it costs
    t · Cin · (Cin + K² + Cout) per pixel; at t = 1 it is the separable convolution.

    Raises:
        UserError: If a number is not an integer of at least 1, or the kernel is even.
    """
    sizes = {
        "kernel": kernel,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "height": height,
        "width": width,
    }
    for name, value in sizes.items():
        if type(value) is not int or value < 1:
            raise UserError(f"{name} is {value!r}; it must be a whole number of at least 1")
    if kernel % 2 == 0:
        raise UserError(f"kernel is {kernel}; kernels are odd: 1, 3, 5, 7, …")
    shape = Shape(in_channels, height, width)
    return (
        _form("convolution", _convolution(shape, kernel, out_channels)),
        _form("depthwise separable", _inverted(shape, kernel, out_channels, 1)),
        *(
            _form(f"inverted residual, expansion {t}", _inverted(shape, kernel, out_channels, t))
            for t in EXPANSIONS[1:]
        ),
    )


def _convolution(shape: Shape, kernel: int, out_channels: int) -> Lowering:
    net = Lowering(shape)
    net.conv(INPUT, out_channels, role="conv", kernel=kernel, norm=False)
    return net


def _inverted(shape: Shape, kernel: int, out_channels: int, expand: int) -> Lowering:
    net = Lowering(shape)
    x = INPUT if expand == 1 else net.conv(INPUT, expand * shape.channels, role="expand", norm=False)
    net.conv(
        net.depthwise(x, role="depthwise", kernel=kernel, norm=False),
        out_channels,
        role="project",
        norm=False,
    )
    return net


def _form(name: str, net: Lowering) -> Form:
    weights = sum(op.kernel_elements for op in net.ops if isinstance(op, Conv2d))
    return Form(name=name, weights=weights, macs=sum(op.macs for op in net.ops))


def sentences(found: tuple[Form, ...]) -> list[str]:
    """Describes the forms in sentences, compared with the ordinary convolution."""
    first = found[0]
    lines = [f"{first.name}: {first.weights:,} weights, {first.macs:,} MACs"]
    for form in found[1:]:
        factor = first.macs / form.macs
        difference = f"{factor:.1f}× fewer" if factor >= 1 else f"{1 / factor:.1f}× more"
        lines.append(f"{form.name}: {form.weights:,} weights, {form.macs:,} MACs, {difference}")
    return lines
