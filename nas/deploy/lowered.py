"""Writes a trained network in ONNX, operation by operation from its lowering.

The graph is, node for node, the one that a latency table measures: ``nas.latency.kit.graphs`` writes both.
It takes milliseconds, where tracing the network takes seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from nas.blocks import Shape
from nas.deploy.interface import INPUT, OPSET, OUTPUT, package_version
from nas.latency.kit.graphs import GraphWriter

if TYPE_CHECKING:
    import onnx

    from nas.nn import StaticNetwork

FloatArray = NDArray[np.float32]


def write_network(model: StaticNetwork, *, batch: int | str, opset: int = OPSET) -> onnx.ModelProto:
    """Writes a network in ONNX with folded BatchNorm; the same weights give the same bytes.

    Its input ``images`` is (batch, C, H, W), its output ``logits`` (batch, classes).

    Args:
        model: The network in evaluation mode; on any device.
        batch: Images of one inference, or a name for a batch of any size.
        opset: Version of ONNX's operator set.
    """
    folded = fold_norms(copy.deepcopy(model).cpu())
    values = (parameter.detach().float().numpy() for parameter in folded.parameters())
    blocks = model.network.blocks
    writer, x = _TrainedWriter(blocks[0].in_shape, batch=batch, opset=opset, values=values), INPUT
    for block in blocks:
        x = writer.add_block(block, x)
    assert next(values, None) is None, "the lowering has used every parameter"
    proto = writer.model(x, blocks[-1].out_shape)
    proto.producer_version = package_version()
    return proto


def fold_norms(model: StaticNetwork) -> StaticNetwork:
    """Folds every BatchNorm into the product before it, in place; for evaluation only.

    One without a product becomes its factors and summands.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

    from nas.nn.layers import BatchNorm, ConvNorm, Linear

    for module in model.modules():
        if not isinstance(module, (BatchNorm, ConvNorm, Linear)) or module.norm is None:
            continue
        norm = module.norm
        assert norm.running_mean is not None and norm.running_var is not None
        statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        if isinstance(module, BatchNorm):
            factors = norm.weight / (norm.running_var + norm.eps).sqrt()
            norm.bias = nn.Parameter(norm.bias - norm.running_mean * factors)
            norm.weight = nn.Parameter(factors)
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
        elif isinstance(module, ConvNorm):
            conv, module.norm = module.conv, None
            conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics)
        else:
            module.weight, module.bias = fuse_linear_bn_weights(module.weight, module.bias, *statistics)
            module.norm = None
    return model


@final
class _TrainedWriter(GraphWriter):
    """Uses trained weights, in the order of the operations, instead of the base's random ones."""

    def __init__(
        self, in_shape: Shape, *, batch: int | str, opset: int, values: Iterator[FloatArray]
    ) -> None:
        super().__init__(
            in_shape, batch=batch, opset=opset, rng=np.random.default_rng(0), names=(INPUT, OUTPUT)
        )
        self._values = values

    def draw(self, *shape: int, fan_in: int) -> FloatArray:
        value = next(self._values)
        assert value.size == np.prod(shape), f"a parameter of shape {value.shape} where {shape} belongs"
        return value.reshape(shape)

    def factors(self, *shape: int) -> str:
        return self.weights(*shape, fan_in=1)
