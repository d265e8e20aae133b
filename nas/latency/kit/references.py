"""Reference models: equal in every kit of a device, so that the machine's speed can be compared over time.

Two kernels bracket arithmetic and memory. Two small published networks show what kernels do not: in a slow
phase of a virtual machine, networks took 1.3 to 1.7 times as long, a matrix product 1.1 times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx

from nas.blocks import Shape
from nas.blocks.conv import ConvSpec
from nas.latency.kit.graphs import GraphWriter, chain_model, network_model
from nas.latency.plan.entries import REFERENCE_NETWORKS
from nas.network import reference_network


def _compute(batch: int, rng: np.random.Generator) -> onnx.ModelProto:
    """A 3×3 convolution of 9.4 million multiply-accumulates on data that fit into a first-level cache."""
    block = ConvSpec(
        in_channels=64, in_height=16, in_width=16, out_channels=64, kernel=3, stride=1, activation="relu"
    )
    return chain_model((block,), batch=batch, rng=rng)


def _memory(batch: int, rng: np.random.Generator) -> onnx.ModelProto:
    """An elementwise operation that reads and writes 4 MB, more than a second-level cache holds."""
    shape = Shape(16, 256, 256)
    writer = GraphWriter(shape, batch=batch, rng=rng)
    return writer.model(writer.node("Relu", "input"), shape)


def _small(batch: int, rng: np.random.Generator) -> onnx.ModelProto:
    """A network of half a million multiply-accumulates; the calls of its operators take most of its time."""
    network = reference_network("mobilenet_v2", width=0.1, resolution=32, classes=10)
    return network_model(network, batch=batch, rng=rng)


def _large(batch: int, rng: np.random.Generator) -> onnx.ModelProto:
    """A network of 18 million multiply-accumulates."""
    network = reference_network("mobilenet_v2", width=0.5, resolution=96, classes=10)
    return network_model(network, batch=batch, rng=rng)


MODELS: Mapping[str, Callable[[int, np.random.Generator], onnx.ModelProto]] = {
    "reference-compute": _compute,
    "reference-memory": _memory,
    REFERENCE_NETWORKS[0]: _small,
    REFERENCE_NETWORKS[1]: _large,
}
"""From a batch size and a source of random weights to each model, by name."""
