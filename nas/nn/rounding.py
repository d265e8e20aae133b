"""Quantisation-aware training: a network learns with the rounding of its INT8 file (Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

if TYPE_CHECKING:
    from nas.quantization import Scheme

_WEIGHTED = frozenset({torch.conv2d, F.linear})
_FUNCTIONS = {
    "Add": (Tensor.add, Tensor.__add__, torch.add),
    "Mul": (Tensor.mul, Tensor.__mul__, torch.mul),
    "GlobalAveragePool": (Tensor.mean, torch.mean),
    "AveragePool": (F.avg_pool2d,),
    "Sigmoid": (torch.sigmoid,),
}
"""The PyTorch functions of the ONNX operations, without weights, that a scheme may quantise."""

_QUANTISING = frozenset({torch.conv2d, F.avg_pool2d})
"""Functions that quantise what they read, whatever gave it."""

_PRODUCTS = frozenset({F.scaled_dot_product_attention, Tensor.matmul, Tensor.__matmul__, torch.matmul})

_SMALLEST = 1e-6


@final
class Rounded(TorchFunctionMode):
    """While it is entered, operations round what an INT8 file rounds, and gradients ignore the rounding.

    Activations have one scale per tensor, from the range of the batch: a range of its own would be one more
    state to save. Weights have one scale per output channel. BatchNorm multiplies whole output channels, so
    that weights round alike before it and after it is folded into them.

    As in the file, what follows a matrix product of pixels stays float until a convolution or a pool, and so
    does a sum with a table: these are the sums, gates and means of transformers.

    Args:
        scheme: What is rounded, and how.
    """

    def __init__(self, scheme: Scheme) -> None:
        super().__init__()
        self._scheme = scheme
        self._others = frozenset(each for kind in scheme.kinds for each in _FUNCTIONS.get(kind, ()))
        self._float = WeakIdKeyDictionary()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        tensors = [value for value in args if isinstance(value, Tensor)]
        follows = func in _PRODUCTS or any(value in self._float for value in tensors)
        if func in _WEIGHTED:
            result = self._product(func, *args, **(kwargs or {}))
            follows = _is_pixelwise(func, args[0])
        else:
            if func in self._others and not follows and not _adds_table(func, tensors):
                args = tuple(self.activation(value) if _is_map(value) else value for value in args)
            result = func(*args, **(kwargs or {}))
        if follows and func not in _QUANTISING and isinstance(result, Tensor):
            self._float[result] = True
        return result

    def _product(
        self, func: Callable[..., Any], x: Tensor, weight: Tensor, bias: Tensor | None = None, **options: Any
    ) -> Any:
        """A convolution or a matrix product; a file rounds the product of pixels before it adds the bias."""
        x, weight = self.activation(x), self.weight(weight)
        if _is_pixelwise(func, x) and self._scheme.outputs:
            result = self.activation(F.linear(x, weight))
            return result if bias is None else result + bias
        return func(x, weight, bias, **options)

    def activation(self, x: Tensor) -> Tensor:
        """Rounds activations of any shape to 8 bits."""
        low, high = (bound.detach().float() for bound in x.aminmax())
        low, high = low.clamp(max=0), high.clamp(min=0)
        if self._scheme.unsigned:
            scale = ((high - low) / 255).clamp(min=_SMALLEST)
            zero, limits = (-low / scale).round().int(), (0, 255)
        else:
            scale = (torch.maximum(high, -low) / 127).clamp(min=_SMALLEST)
            zero, limits = torch.zeros_like(scale, dtype=torch.int32), (-127, 127)
        return torch.fake_quantize_per_tensor_affine(x.float(), scale, zero, *limits).to(x.dtype)

    def weight(self, weight: Tensor) -> Tensor:
        """Rounds a weight (out, …) by output channel."""
        limit = self._scheme.weight_limit
        scale = (weight.detach().float().flatten(1).abs().amax(1) / limit).clamp(min=_SMALLEST)
        zero = torch.zeros_like(scale, dtype=torch.int32)
        rounded = torch.fake_quantize_per_channel_affine(weight.float(), scale, zero, 0, -limit, limit)
        return rounded.to(weight.dtype)


def _is_pixelwise(func: Callable[..., Any], x: Tensor) -> bool:
    """Whether a function is a matrix product of many pixels: ``MatMul`` in a file, not ``Gemm``."""
    return func is F.linear and x.dim() > 2


def _adds_table(func: Callable[..., Any], tensors: Sequence[Tensor]) -> bool:
    """Whether a function adds a learned table, such as that of positions."""
    return func in _FUNCTIONS["Add"] and any(isinstance(value, nn.Parameter) for value in tensors)


def _is_map(value: object) -> bool:
    return isinstance(value, Tensor) and value.dim() == 4
