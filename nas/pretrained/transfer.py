"""From a file of tensors, named by its publisher, to one of our modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from nas.network import NetworkSpec, reference_network
from nas.nn import StaticNetwork
from nas.pretrained.tensor_file import COUNTER, TensorFile

STATISTICS = (".running_mean", ".running_var", COUNTER)

PREFIX, INSIDE = "blocks.", ".block."


def layer(place: str, role: str, part: str = "") -> str:
    """The name of a layer in a module, e.g. ``blocks.stages_1_0.block.expand.conv``.

    Args:
        place: The module of a place, e.g. ``stages_1_0``.
        role: The role of the operation.
        part: ``conv`` or ``norm`` of a convolution; empty for other operations.
    """
    return f"{PREFIX}{place}{INSIDE}{role}{part and '.' + part}"


def expected(network: NetworkSpec, layers: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """The shapes that a file must have, by the publisher's names.

    Args:
        network: The network.
        layers: From the names of our layers to the publisher's. A layer without one of its own suffixes
            (``weight``, ``bias``, …) is named in full.
    """
    with torch.device("meta"):
        state = StaticNetwork(network).state_dict()
    return {theirs(name, layers): tuple(t.shape) for name, t in state.items() if not name.endswith(COUNTER)}


def theirs(name: str, layers: Mapping[str, str]) -> str:
    """The publisher's name of one of our tensors."""
    if name in layers:
        return layers[name]
    own, _, suffix = name.rpartition(".")
    return f"{layers[own]}.{suffix}"


def filled(network: NetworkSpec, file: TensorFile, layers: Mapping[str, str], *, name: str) -> StaticNetwork:
    """A module with the tensors of a file.

    Args:
        network: The network.
        file: The file.
        layers: As in :func:`expected`.
        name: The network's name, for messages.

    Returns:
        The module in evaluation mode.

    Raises:
        UserError: If a tensor is missing, surplus or of another shape.
    """
    file.check(expected(network, layers), network=name)
    model = StaticNetwork(network).eval()
    for own, tensor in model.state_dict().items():
        if not own.endswith(COUNTER):
            tensor.copy_(file.tensors[theirs(own, layers)].reshape(tensor.shape))
    return model


def nearest(file: TensorFile, names: Sequence[str], *, classes: int) -> str:
    """The reference network among ``names`` whose number of parameters is the nearest to that of a file."""
    count = sum(t.numel() for name, t in file.tensors.items() if not name.endswith(STATISTICS))
    return min(names, key=lambda name: abs(reference_network(name, classes=classes).params - count))
