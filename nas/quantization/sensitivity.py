"""The fewest layers of an INT8 model to leave in float so that it loses no more accuracy than allowed.

A layer is a convolution or matrix product with the operations that follow it, up to the next one. Layers are
ranked by the noise that each adds alone, for noise powers nearly add up. The images that rank must not be
those that judge: the noisiest layers of the judging images would be a choice by their outcome.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import onnx
from numpy.typing import NDArray

from nas.quantization.schemes import is_weighted

Outputs = Callable[[onnx.ModelProto], NDArray[np.float32]]
"""Maps a model to its outputs on the images that rank layers."""

Insert = Callable[[Collection[str]], onnx.ModelProto]
"""Returns the INT8 model in which the nodes of these names compute in float."""


@final
@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution or matrix product with the operations that follow it.

    Attributes:
        name: Name of its first node.
        nodes: Names of all its nodes.
        macs: Multiply-accumulates for one image.
    """

    name: str
    nodes: tuple[str, ...]
    macs: int


@final
@dataclass(frozen=True, kw_only=True)
class Mixed:
    """A model whose layers run in INT8, except for some in float.

    Attributes:
        model: The model with its pairs.
        in_float: The layers in float, the noisiest first.
        layers: Number of all layers.
        macs: Multiply-accumulates of all layers for one image.
        loss: Lost accuracy, 0 to 1.
    """

    model: onnx.ModelProto
    in_float: tuple[Layer, ...]
    layers: int
    macs: int
    loss: float


def split_layers(model: onnx.ModelProto) -> tuple[Layer, ...]:
    """The layers of a float model, in order."""
    groups: list[list[onnx.NodeProto]] = []
    constants = {item.name for item in model.graph.initializer}
    for node in model.graph.node:
        if is_weighted(node, constants):
            groups.append([])
        if groups:
            groups[-1].append(node)
    macs = _macs(model)
    return tuple(
        Layer(name=group[0].name, nodes=tuple(node.name for node in group), macs=macs[group[0].name])
        for group in groups
    )


def _macs(model: onnx.ModelProto) -> dict[str, int]:
    """The multiply-accumulates of each node with weights: every weight is used at each output position."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
    }
    sizes = {item.name: math.prod(item.dims) for item in model.graph.initializer}
    return {
        node.name: sizes[node.input[1]] * math.prod(_positions(node, shapes[node.output[0]]))
        for node in model.graph.node
        if is_weighted(node, sizes)
    }


def _positions(node: onnx.NodeProto, shape: list[int]) -> list[int]:
    """The sizes of an output other than its images and channels, which a ``MatMul`` has last."""
    return shape[1:-1] if node.op_type == "MatMul" else shape[2:]


def rank_layers(model: onnx.ModelProto, insert: Insert, *, outputs: Outputs) -> tuple[Layer, ...]:
    """The layers of a float model by the noise in the outputs when each alone is in INT8, the noisiest first.

    Args:
        model: A float model with BatchNorm folded.
        insert: Returns the model with its pairs.
        outputs: Runs a model on the images that rank.
    """
    layers, exact = split_layers(model), outputs(model)

    def noise(layer: Layer) -> float:
        others = [name for other in layers if other is not layer for name in other.nodes]
        return float(np.square(outputs(insert(others)) - exact, dtype=np.float64).sum())

    return tuple(sorted(layers, key=noise, reverse=True))


def fewest_in_float(
    model: onnx.ModelProto,
    insert: Insert,
    *,
    outputs: Outputs,
    loss: Callable[[onnx.ModelProto], float],
    largest_loss: float,
) -> Mixed:
    """The INT8 model with the fewest layers in float that loses at most ``largest_loss``.

    Layers are added in the order of their rank. With all of them in float the model loses nothing, so there
    is always one that fits.

    Args:
        model: A float model with BatchNorm folded.
        insert: Returns the model with its pairs.
        outputs: Runs a model on the images that rank.
        loss: The accuracy that a model loses on the images that judge, 0 to 1.
        largest_loss: The largest loss allowed.
    """
    tried: dict[int, Mixed] = {}

    def fits(count: int) -> bool:
        if count not in tried:
            tried[count] = _mixed(model, insert, ranked[:count], loss=loss)
        return tried[count].loss <= largest_loss

    ranked: Sequence[Layer] = ()
    if fits(0):
        return tried[0]
    ranked = rank_layers(model, insert, outputs=outputs)
    low, high = 0, 1  # ``low`` does not fit
    while high < len(ranked) and not fits(high):
        low, high = high, min(2 * high, len(ranked))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    fits(high)
    return tried[high]


def _mixed(
    model: onnx.ModelProto,
    insert: Insert,
    in_float: Sequence[Layer],
    *,
    loss: Callable[[onnx.ModelProto], float],
) -> Mixed:
    quantised = insert([name for layer in in_float for name in layer.nodes])
    every = split_layers(model)
    return Mixed(
        model=quantised,
        in_float=tuple(in_float),
        layers=len(every),
        macs=sum(layer.macs for layer in every),
        loss=loss(quantised),
    )
