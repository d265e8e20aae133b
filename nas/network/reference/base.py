"""The registry of reference networks; each family has a file in this folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from nas.blocks import BlockSettings, Rounding
from nas.errors import UserError
from nas.network.spec import NORM_EPSILON, NetworkSpec
from nas.registry import Registry

Blocks = tuple[BlockSettings, ...]

UNROUNDED = Rounding(divisor=1, expand_divisor=1, squeeze_divisor=1)
"""Rounds to the nearest whole channel, for families whose publication does not round."""


@final
@dataclass(frozen=True, kw_only=True)
class Body:
    """A network without its input and its classes."""

    stem: Blocks
    stages: tuple[Blocks, ...]
    head: Blocks
    rounding: Rounding = Rounding()
    norm_epsilon: float = NORM_EPSILON


@final
@dataclass(frozen=True, kw_only=True)
class Reference:
    """A published network.

    Attributes:
        build: From a width multiplier to the body.
        resolution: The published resolution.
        source: The publication.
    """

    build: Callable[[float], Body]
    resolution: int
    source: str


_REFERENCES: Registry[Reference] = Registry("reference network", package="nas.network.reference")


def add(name: str, build: Callable[[float], Body], *, resolution: int = 224, source: str) -> None:
    """Registers a network under its name."""
    _REFERENCES.add(name, Reference(build=build, resolution=resolution, source=source), source=build)


def reference_names() -> tuple[str, ...]:
    """The names of all reference networks."""
    return _REFERENCES.names()


def reference(name: str) -> Reference:
    """A published network by its name.

    Raises:
        UserError: If there is no such network. The message lists the nearest names.
    """
    return _REFERENCES.find(name)


def reference_network(
    name: str,
    *,
    resolution: int | None = None,
    width: float = 1.0,
    classes: int = 1000,
    input_channels: int = 3,
) -> NetworkSpec:
    """A published network, with torchvision's geometry if torchvision has the network.

    Args:
        name: One of ``reference_names()``; torchvision's names, and ``mobilenet_v1``,
            ``mobilenetv4_conv_small`` and ``resnet20`` (He et al. 2016, section 4.2).
        resolution: Height and width of the input; the published resolution by default.
        width: Multiplies every channel count before rounding (Howard et al. 2017, section 3.3).
        classes: Outputs of the classifier.
        input_channels: Channels of the input image.

    Raises:
        UserError: If the name is unknown (the message lists the nearest ones), a number is out of range, or
            the resolution is too low for the network's strides.
    """
    published = reference(name)
    if type(width) not in (int, float) or not width > 0:
        raise UserError(f"width is {width!r}; a width multiplier is a number above 0, e.g. 0.5")
    body = published.build(width)
    network = NetworkSpec(
        resolution=published.resolution if resolution is None else resolution,
        input_channels=input_channels,
        classes=classes,
        stem=body.stem,
        stages=body.stages,
        head=body.head,
        rounding=body.rounding,
        norm_epsilon=body.norm_epsilon,
    )
    network.blocks  # noqa: B018  fails here, not later, if the resolution is too low
    return network
