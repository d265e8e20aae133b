"""Copying a network's weights into a supernet whose largest network then computes the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from nas.blocks import INPUT, BlockSpec, ops
from nas.errors import UserError
from nas.network import CLASSIFIER, NetworkSpec, Place
from nas.nn import Block, StaticNetwork, Supernet, zero_residual_scales
from nas.nn.block import has_shortcut
from nas.nn.layers import BatchNorm2d, Scale, crop
from nas.nn.static import StaticBlock
from nas.pretrained.holding import aligned


@final
@dataclass(eq=False)
class Taken:
    """What a supernet has taken from a network.

    Attributes:
        elements: By the name of a parameter, how many of its weights are inherited.
        notes: Sentences about blocks that inherit nothing.
    """

    elements: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def converted_filters(weight: Tensor, channels: int) -> Tensor:
    """Filters (out, C, K, K) for images with other channels.

    Grey images get the sum over the colours: the output is that of three equal channels. Colour images get
    equal shares of the filters for grey images.

    Raises:
        UserError: If neither number of channels is 1.
    """
    have = weight.shape[1]
    if 1 not in (have, channels):
        raise UserError(
            f"weights for images with {have} channels cannot serve images with {channels}; set data.channels="
            f"{have}"
        )
    return weight.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels


@torch.no_grad()
def convert_input(model: StaticNetwork, channels: int) -> StaticNetwork:
    """A network in evaluation mode that reads images with other channels; ``model`` if it already does.

    Raises:
        UserError: If a first layer is no convolution, or neither number of channels is 1.
    """
    if model.network.input_channels == channels:
        return model
    state = model.state_dict()
    first = next(_blocks(model))
    for op in first.spec.ops:
        if INPUT in op.inputs:
            if not (isinstance(op, ops.Conv2d) and op.groups == 1):
                raise UserError(
                    f"a network that begins with {op.name} cannot read images with {channels} channels"
                )
            name = f"{op.role}.conv.weight"
            weight = first.block.get_parameter(name)
            [full] = [each for each, parameter in model.named_parameters() if parameter is weight]
            state[full] = converted_filters(weight, channels)
    converted = StaticNetwork(replace(model.network, input_channels=channels))
    converted.load_state_dict(state)
    return converted.eval()


@torch.no_grad()
def take_epsilon(model: StaticNetwork, epsilon: float) -> None:
    """Gives every BatchNorm another epsilon, and the scales that keep its output.

    The statistics stay as they are, so that recomputed ones give nearly the same output too.
    """
    for norm in model.modules():
        if isinstance(norm, BatchNorm2d) and norm.eps != epsilon:
            assert norm.running_var is not None
            norm.weight.mul_(((norm.running_var + epsilon) / (norm.running_var + norm.eps)).sqrt())
            norm.eps = epsilon


@torch.no_grad()
def take_network(supernet: Supernet, model: StaticNetwork, *, classifier: bool) -> Taken:
    """Copies a network into a supernet of a space that holds it.

    A larger layer has the network's weights as its first channels and at the centre of its kernels; what
    reads new channels begins at zero. Blocks beyond the network's depth begin as their shortcuts.

    Args:
        supernet: The supernet, with fresh weights.
        model: The network, with the supernet's input channels. Its BatchNorm takes the space's epsilon.
        classifier: Whether the classifier is copied too.
    """
    taken = Taken()
    take_epsilon(model, supernet.space.norm_epsilon)
    network = aligned(model.network, supernet.space)
    sources = dict(zip(_places(network), _blocks(model), strict=True))
    names = {id(parameter): name for name, parameter in supernet.named_parameters()}
    for place, block, _ in supernet.blocks_of(network):
        if place != CLASSIFIER or classifier:
            _take_block(block, sources[place].block, names=names, taken=taken)
    for place, block, spec in supernet.blocks_of(supernet.space.network(supernet.space.largest())):
        if place.section == "stages" and place not in sources:
            _deepen(block, spec, place, last=_last(sources, place), names=names, taken=taken)
    return taken


def _places(network: NetworkSpec) -> Iterator[Place]:
    return (place for place, _ in network.placed_blocks)


def _blocks(model: StaticNetwork) -> Iterator[StaticBlock]:
    for block in model.blocks.values():
        assert isinstance(block, StaticBlock)
        yield block


def _take_block(target: Block, source: Block, *, names: dict[int, str], taken: Taken) -> None:
    """Copies the tensors of each role, and counts the parameters."""
    tensors = dict(target.named_parameters()) | dict(target.named_buffers())
    for name, value in source.state_dict().items():
        tensor = tensors[name]
        if value.ndim > 1:
            tensor[: value.shape[0]] = 0  # what reads new channels, and the rim of larger kernels
        crop(tensor, value.shape).copy_(value)
        if id(tensor) in names:
            taken.elements[names[id(tensor)]] = value.numel()


def _last(sources: dict[Place, StaticBlock], place: Place) -> StaticBlock | None:
    """The network's last block in the stage of a place."""
    stage = [block for at, block in sources.items() if (at.section, at.stage) == (place.section, place.stage)]
    return stage[-1] if stage else None


def _deepen(
    target: Block,
    spec: BlockSpec,
    place: Place,
    *,
    last: StaticBlock | None,
    names: dict[int, str],
    taken: Taken,
) -> None:
    """Begins a block beyond the network's depth as its shortcut, with the weights of the block before."""
    scales = [layer for layer in target.modules() if isinstance(layer, Scale)]
    if not has_shortcut(spec) or not (target.residual_ends or scales):
        taken.notes.append(f"{place} cannot begin as its shortcut and starts from scratch")
        return
    if last is not None and last.spec.KIND == spec.KIND and has_shortcut(last.spec):
        _take_block(target, last.block, names=names, taken=taken)
    zero_residual_scales(target)
    for role in target.residual_ends:
        target.get_parameter(f"{role}.norm.bias").zero_()
    for scale in scales:
        scale.weight.zero_()
