"""Copying the weights of torchvision's networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.nn.layers import Scale
from nas.nn.static import StaticNetwork
from nas.nn.token_layers import Table

Values = list[tuple[str, Tensor]]


@torch.no_grad()
def take_torchvision_weights(network: StaticNetwork, source: nn.Module) -> None:
    """Copies every weight and statistic of a torchvision network of the same geometry.

    Layers correspond by order within four groups: convolutions and matrix products, norms, layer scales,
    tables of transformers. A matrix product may become a 1×1 convolution with the same weights (ConvNeXt),
    and one product for queries, keys and values becomes three. If torchvision's BatchNorm has another epsilon
    (0.001 in MobileNetV3 and the larger EfficientNets), the difference is added to the running variance.
    Outputs in evaluation mode are the same, and the state holds the correction.

    Args:
        network: A static network, e.g. ``StaticNetwork(reference_network("resnet50"))``.
        source: torchvision's network of the same name.

    Raises:
        UserError: If the layers differ. The message names the first difference.
    """
    for group in (_products, _norms, _scales, _tables):
        for mine, other in zip_longest(group(network), group(source)):
            if mine is None or other is None:
                raise UserError(_difference(mine, other))
            _copy(mine, other)
    for target, norm in zip(_batch_norms(network), _batch_norms(source), strict=True):
        assert target.running_var is not None
        target.running_var += norm.eps - target.eps


def _batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def _copy(mine: tuple[str, Values], other: tuple[str, Values]) -> None:
    for pair in zip_longest(mine[1], other[1]):
        if None in pair or pair[0][1].numel() != pair[1][1].numel():
            raise UserError(_difference(mine, other))
        pair[0][1].copy_(pair[1][1].reshape(pair[0][1].shape))


def _difference(mine: tuple[str, Values] | None, other: tuple[str, Values] | None) -> str:
    def describe(layer: tuple[str, Values] | None) -> str:
        if layer is None:
            return "no further layer"
        return f"{layer[0]} {[tuple(value.shape) for _, value in layer[1]]}"

    return (
        f"the networks differ: {describe(mine)} here, {describe(other)} in the source; "
        "give the source the same name, width, classes and input channels"
    )


def _products(module: nn.Module) -> Iterator[tuple[str, Values]]:
    fused, merging = _children(module, "ShiftedWindowAttention"), _children(module, "PatchMerging")
    for name, layer in module.named_modules():
        if isinstance(layer, nn.MultiheadAttention):
            yield from _thirds(name, layer.in_proj_weight, layer.in_proj_bias)
        elif isinstance(layer, nn.Linear) and fused.get(layer) == "qkv":
            yield from _thirds(name, layer.weight, layer.bias)
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            values: Values = list(layer.named_parameters())
            yield name, _with_pixels_last(values) if layer in merging else values


def _children(module: nn.Module, parent: str) -> dict[nn.Module, str]:
    """The names of the layers directly within torchvision's modules of a type."""
    parents = (each for each in module.modules() if type(each).__name__ == parent)
    return {child: name for each in parents for name, child in each.named_children()}


def _with_pixels_last(values: Values) -> Values:
    """Parameters of torchvision's patch merging, (…, pixel, channel), as (…, channel, pixel).

    Its four pixels go down first, ours to the right.
    """
    return [
        (name, torch.stack([value.chunk(4, -1)[number] for number in (0, 2, 1, 3)], -1).flatten(-2))
        for name, value in values
    ]


def _thirds(name: str, weight: Tensor, bias: Tensor) -> Iterator[tuple[str, Values]]:
    """The products for queries, keys and values, which are one below another in ``weight``."""
    for part, own, shift in zip(("query", "key", "value"), weight.chunk(3), bias.chunk(3), strict=True):
        yield f"{name}.{part}", [("weight", own), ("bias", shift)]


def _norms(module: nn.Module) -> Iterator[tuple[str, Values]]:
    merging = _children(module, "PatchMerging")
    for name, layer in module.named_modules():
        if isinstance(layer, (nn.BatchNorm2d, nn.LayerNorm)):
            values = _norm_values(layer)
            yield name, _with_pixels_last(values) if layer in merging else values


def _norm_values(layer: nn.Module) -> Values:
    statistics = [item for item in layer.named_buffers() if item[1].ndim]  # without the count of batches
    return [*layer.named_parameters(), *statistics]


def _scales(module: nn.Module) -> Iterator[tuple[str, Values]]:
    for name, layer in module.named_modules():
        if isinstance(layer, Scale):
            yield name, [("weight", layer.weight)]
        for own, parameter in layer.named_parameters(recurse=False):
            if own == "layer_scale":
                yield name, [(own, parameter)]


def _tables(module: nn.Module) -> Iterator[tuple[str, Values]]:
    for name, layer in module.named_modules():
        if isinstance(layer, Table):
            yield name, [("weight", layer.weight)]
        for own, parameter in layer.named_parameters(recurse=False):
            if own in _OF_TORCHVISION:
                yield name, [(own, _OF_TORCHVISION[own](parameter))]


_OF_TORCHVISION: dict[str, Callable[[Tensor], Tensor]] = {
    "class_token": lambda table: table[0, 0],
    "pos_embedding": lambda table: table[0].T,
    "relative_position_bias_table": lambda table: table.T,
}
"""Tables by the name of their parameter in torchvision, with channels first."""
