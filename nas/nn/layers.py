"""The PyTorch form of every primitive operation, elastic in channels and kernel.

Sharing follows one rule, ``crop``: a smaller layer has the *first* channels of a larger one and the *centre*
of its kernel (Cai et al. 2020, "Once-for-All", section 3.3). Running a subnet crops at each pass,
extracting one crops once, and a layer of full size is not cropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.blocks import ops

_FUNCTIONS: dict[str, Any] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hard_swish": F.hardswish,
    "silu": F.silu,
    "gelu": F.gelu,
    "hard_sigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
}


def crop(weight: Tensor, shape: Sequence[int]) -> Tensor:
    """The first entries along channels, the central ones along the kernel.

    Args:
        weight: A tensor of shape (C, …) or (out, in, K, K).
        shape: The shape of the result, in no dimension larger than ``weight``.

    Returns:
        A view of ``weight``, or ``weight`` itself if the shapes are equal.
    """
    if tuple(weight.shape) == tuple(shape):
        return weight
    for dimension, (have, want) in enumerate(zip(weight.shape, shape, strict=True)):
        if have != want:  # each cut costs time, also in the backward pass
            weight = weight.narrow(dimension, (have - want) // 2 if dimension >= 2 else 0, want)
    return weight


class Conv2d(nn.Conv2d):
    """A convolution that can run with fewer channels and a smaller kernel.

    Attributes:
        transforms: By kernel size, the matrix that maps the centre of the next larger kernel to this one.
    """

    transforms: nn.ParameterDict  # absent before ``add_transforms``

    def __init__(self, op: ops.Conv2d) -> None:
        super().__init__(
            op.in_shape.channels,
            op.out_channels,
            op.kernel,
            op.stride,
            op.pad,
            groups=op.groups,
            bias=op.bias,
        )
        self._smaller: tuple[int, ...] = ()

    def add_transforms(self, kernels: Iterable[int]) -> None:
        """Makes each of these kernels except the largest a learned function of the next larger one.

        Each layer has one matrix, shared by its channels, initially the identity (Cai et al. 2020,
        section 3.3).
        """
        _, *smaller = sorted({self.kernel_size[0], *kernels}, reverse=True)
        self._smaller = tuple(smaller)
        if smaller:
            self.transforms = nn.ParameterDict({str(size): torch.eye(size**2) for size in smaller})

    def shared(self, shape: Sequence[int]) -> Tensor:
        """The weight of a smaller convolution, of ``shape`` (out, in / groups, K, K)."""
        if not self._smaller:
            return crop(self.weight, shape)
        weight = crop(self.weight, (*shape[:2], *self.weight.shape[2:]))
        for size in self._smaller:  # 7 to 5, then 5 to 3
            if size < shape[-1]:
                break
            weight = crop(weight, (*shape[:2], size, size))
            weight = (weight.flatten(2) @ self.transforms[str(size)]).reshape(weight.shape)
        return crop(weight, shape)

    def run(self, x: Tensor, op: ops.Conv2d, *, biased: bool) -> Tensor:
        """Convolves (N, C, H, W) by ``op`` with its share of the weights, with or without the bias."""
        weight = self.shared((op.out_channels, op.group_channels, op.kernel, op.kernel))
        bias = crop(self.bias, (op.out_channels,)) if biased and self.bias is not None else None
        return F.conv2d(x, weight, bias, stride=op.stride, padding=op.pad, groups=op.groups)


class BatchNorm2d(nn.BatchNorm2d):
    """BatchNorm with scale, shift and statistics shared by the first channels.

    The shared running statistics belong to no subnet: calibrate a subnet before evaluating it (Yu et al.
    2020, "BigNAS", section 3.2).
    """

    def run(self, x: Tensor) -> Tensor:
        """Normalises (N, C, H, W), where C is at most the full number of channels."""
        shape = (x.shape[1],)
        if shape[0] == self.num_features:
            return self(x)  # type: ignore[no-any-return]
        assert self.running_mean is not None and self.running_var is not None
        return F.batch_norm(
            x,
            crop(self.running_mean, shape),
            crop(self.running_var, shape),
            crop(self.weight, shape),
            crop(self.bias, shape),
            self.training,
            0.1 if self.momentum is None else self.momentum,
            self.eps,
        )


def set_norm_epsilon(network: nn.Module, epsilon: float) -> None:
    """Sets the epsilon of every BatchNorm."""
    for module in network.modules():
        if isinstance(module, BatchNorm2d):
            module.eps = epsilon


def _draw(weight: Tensor, *, std: float) -> None:
    """Fills a weight with normal values. A weight without values stays: PyTorch would load its compiler."""
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)


class ConvNorm(nn.Module):
    """A convolution, with BatchNorm if the operation has one."""

    def __init__(self, op: ops.Conv2d) -> None:
        super().__init__()
        self.conv = Conv2d(op)
        self.norm = BatchNorm2d(op.out_channels) if op.norm else None
        fan_out = op.kernel**2 * op.out_channels // op.groups  # PyTorch's own count ignores the groups
        _draw(self.conv.weight, std=math.sqrt(2 / fan_out))
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def run(self, x: Tensor, op: ops.Conv2d) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        folded = op.norm and self.norm is None  # an export turns BatchNorm into weights and bias
        x = self.conv.run(x, op, biased=op.bias or folded)
        return self.norm.run(x) if op.norm and self.norm is not None else x


class Linear(nn.Linear):
    """A matrix product, with BatchNorm if the operation has one, elastic in inputs and outputs."""

    def __init__(self, op: ops.Linear) -> None:
        super().__init__(op.in_shape.channels, op.out_features, bias=op.bias)
        self.norm = BatchNorm2d(op.out_features) if op.norm else None
        _draw(self.weight, std=0.01 if op.in_shape.pixels == 1 else 0.02)  # a classifier; DeiT's layers
        if op.bias:
            nn.init.zeros_(self.bias)

    def run(self, x: Tensor, op: ops.Linear) -> Tensor:
        """(N, C, H, W) to (N, C', H, W)."""
        folded = op.norm and self.norm is None  # an export turns BatchNorm into weights and bias
        weight = crop(self.weight, (op.out_features, op.in_shape.channels))
        bias = crop(self.bias, (op.out_features,)) if op.bias or folded else None
        if op.in_shape.pixels == 1:
            x = F.linear(x.flatten(1), weight, bias)[:, :, None, None]
        else:
            x = F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)
        return self.norm.run(x) if op.norm and self.norm is not None else x


class BatchNorm(nn.Module):
    """BatchNorm alone."""

    def __init__(self, op: ops.BatchNorm) -> None:
        super().__init__()
        self.norm = BatchNorm2d(op.in_shape.channels)

    def run(self, x: Tensor, op: ops.BatchNorm) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.norm.run(x)


class Undecayed(nn.Module):
    """A module whose parameters do not decay, as they are no weights of products: tables, tokens."""


class Scale(nn.Module):
    """One learned factor per channel."""

    def __init__(self, op: ops.Scale, *, initial: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((op.in_shape.channels, 1, 1), initial))

    def run(self, x: Tensor, op: ops.Scale) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return x * self.weight[: x.shape[1]]


class LayerNorm(nn.LayerNorm):
    """Normalisation over the channels of each pixel of (N, C, H, W)."""

    def __init__(self, op: ops.LayerNorm) -> None:
        super().__init__(op.in_shape.channels, eps=op.epsilon)

    def run(self, x: Tensor, op: ops.LayerNorm) -> Tensor:
        """(N, C, H, W) to the same shape."""
        shape = (x.shape[1],)
        last = x.permute(0, 2, 3, 1)
        last = F.layer_norm(last, shape, crop(self.weight, shape), crop(self.bias, shape), op.epsilon)
        return last.permute(0, 3, 1, 2)


@singledispatch
def layer(op: ops.Op) -> nn.Module | None:
    """The module with the weights of an operation, ``None`` if it has none."""
    return None


@layer.register
def _(op: ops.Conv2d) -> nn.Module:
    return ConvNorm(op)


@layer.register
def _(op: ops.Linear) -> nn.Module:
    return Linear(op)


@layer.register
def _(op: ops.BatchNorm) -> nn.Module:
    return BatchNorm(op)


@layer.register
def _(op: ops.Scale) -> nn.Module:
    return Scale(op)


@layer.register
def _(op: ops.LayerNorm) -> nn.Module:
    return LayerNorm(op)


Run = Callable[..., Tensor]
_RUN: dict[type[ops.Op], Run] = {}


def run(op: ops.Op, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    """Runs one operation.

    The functions are in a plain table, which ``torch.compile`` can trace.

    Args:
        op: The operation.
        weights: Its module from ``layer``, possibly of a larger operation of the same role.
        x: Its first input, (N, C, H, W).
        others: Its other inputs.
    """
    function = _RUN.get(type(op))
    if function is not None:
        return function(op, weights, x, *others)
    return weights.run(x, op)  # type: ignore[no-any-return]


def require_form(op: ops.Op, weights: Any) -> None:
    """Checks that ``run`` can run an operation.

    Raises:
        MissingFormError: If it cannot.
    """
    if type(op) not in _RUN and weights is None:
        raise ops.MissingFormError("PyTorch", op, register="runs or layer")


def runs(kind: type[ops.Op]) -> Callable[[Run], Run]:
    """Registers the function that runs operations of a kind; by default their weights' ``run`` does."""

    def register(function: Run) -> Run:
        _RUN[kind] = function
        return function

    return register


@runs(ops.Activation)
def _(op: ops.Activation, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return _FUNCTIONS[op.function](x)  # type: ignore[no-any-return]


@runs(ops.GlobalAveragePool)
def _(op: ops.GlobalAveragePool, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


@runs(ops.Pool)
def _(op: ops.Pool, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    if op.mode == "max":
        return F.max_pool2d(x, op.kernel, op.stride, op.padding, ceil_mode=op.ceil)
    return F.avg_pool2d(x, op.kernel, op.stride, op.padding, ceil_mode=op.ceil, count_include_pad=False)


@runs(ops.Add)
def _(op: ops.Add, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return x + others[0]


@runs(ops.Multiply)
def _(op: ops.Multiply, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return x * others[0]
