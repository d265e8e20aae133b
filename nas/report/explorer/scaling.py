"""Compound scaling of one network along φ, and one operation taken apart, as tables for the explorer."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.report.drawing.collection import Collection
from nas.report.savings import forms
from nas.scaling.multipliers import compound_scale

PHIS = tuple(round(-2 + 0.25 * step, 2) for step in range(29))
"""φ from -2 to 5."""

KERNELS, CHANNELS, SIDES = (3, 5, 7), (8, 16, 32, 64, 128, 256, 512), (7, 14, 28, 56, 112)


def scaled(network: NetworkSpec, collection: Collection) -> list[dict[str, Any]]:
    """Returns the valid scalings of a network with EfficientNet's α, β, γ, and the groups of their cells."""
    found = []
    for phi in PHIS:
        with suppress(UserError):  # a block no longer fits
            made = compound_scale(network, phi=phi)
            found.append(
                {
                    "phi": phi,
                    "resolution": made.resolution,
                    "macs": made.macs,
                    "params": made.params,
                    "groups": collection.add(made),
                }
            )
    return found


def taken_apart() -> dict[str, Any]:
    """Returns MACs and weights of an ordinary convolution and its cheaper forms, over kernels and sizes.

    ``values`` holds, by ``KERNEL,CHANNELS,SIDE``, a pair of MACs and weights for each of ``names``.
    """
    values: dict[str, list[tuple[int, int]]] = {}
    names: list[str] = []
    for kernel, channels, side in _sizes():
        found = forms(kernel=kernel, in_channels=channels, out_channels=channels, height=side, width=side)
        names = [form.name for form in found]
        values[f"{kernel},{channels},{side}"] = [(form.macs, form.weights) for form in found]
    return {"names": names, "values": values, "kernels": KERNELS, "channels": CHANNELS, "sides": SIDES}


def _sizes() -> Iterable[tuple[int, int, int]]:
    return ((kernel, channels, side) for kernel in KERNELS for channels in CHANNELS for side in SIDES)
