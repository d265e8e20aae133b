"""Primitive operations, to which every block is lowered, and their costs.

A block lowers to a short list of operations in static single assignment form: each operation names its
inputs by their positions in the list, and ``INPUT`` stands for the block's own input. Multiply-accumulates,
parameters, bytes moved, arithmetic intensity, PyTorch modules and ONNX micro-models are generated from this
list, so a new block kind is one file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from nas.errors import UserError

INPUT = -1
"""The position of the block's input."""

ACTIVATIONS = ("relu", "relu6", "hard_swish", "silu", "gelu", "hard_sigmoid", "sigmoid", "identity")
"""The activation functions of the project; ``identity`` costs nothing."""

BYTES_PER_ELEMENT = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """A feature map of one image: channels, height and width. A vector has height and width 1."""

    channels: int
    height: int
    width: int

    @property
    def elements(self) -> int:
        return self.channels * self.height * self.width

    @property
    def pixels(self) -> int:
        return self.height * self.width


@dataclass(frozen=True, kw_only=True)
class Op(ABC):
    """One primitive operation on one image.

    Attributes:
        in_shape: Shape of the first input.
        inputs: Positions of the operations whose outputs it reads; ``INPUT`` is the block's input.
        role: The name of its weights within the block, empty for an operation without weights. In a supernet,
            operations of the same role share their weights, so a role has the same meaning in every variant
            of a kind.
    """

    in_shape: Shape
    inputs: tuple[int, ...] = (INPUT,)
    role: str = ""

    @property
    @abstractmethod
    def name(self) -> str:
        """The usual name of the operation, e.g. ``"depthwise convolution"``."""

    @property
    def out_shape(self) -> Shape:
        return self.in_shape

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and matrix products; 0 for everything else."""
        return 0

    @property
    def params(self) -> int:
        """Trainable parameters, BatchNorm's scale and shift included."""
        return 0

    @property
    def weight_elements(self) -> int:
        """Constants read at inference, with BatchNorm folded into the convolution before it."""
        return self.params

    @property
    def input_elements(self) -> int:
        return self.in_shape.elements

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def moved_elements(self) -> int:
        """Elements moved if every input, weight and output is read or written once."""
        return self.input_elements + self.out_shape.elements + self.weight_elements

    @property
    def fused_elements(self) -> int:
        """Elements that still cross memory if elementwise operations run inside others."""
        return self.moved_elements

    @property
    def scratch_elements(self) -> int:
        """Elements of intermediate values that are in memory while no single kernel runs the operation."""
        return 0

    def bytes_moved(self, precision: str = "fp32", *, batch: int = 1) -> int:
        """Bytes read and written in ``precision``, each tensor once; weights are read once for a batch."""
        activations = self.moved_elements - self.weight_elements
        return (batch * activations + self.weight_elements) * BYTES_PER_ELEMENT[precision]

    def intensity(self, precision: str = "fp32", *, batch: int = 1) -> float:
        """Arithmetic intensity in FLOP per byte (Williams et al. 2009, "Roofline", section 3)."""
        return batch * self.flops / self.bytes_moved(precision, batch=batch)


class MissingFormError(UserError):
    """An operation has no form in a target, e.g. in ONNX.

    Attributes:
        fact: Which form is missing.
        remedy: How to add it.
        operation: The operation's name.
    """

    def __init__(self, target: str, op: Op, *, register: str) -> None:
        self.operation = op.name
        self.fact = f"no {target} form for {type(op).__name__}"
        self.remedy = f"register one with {register}"
        super().__init__(f"{self.fact}; {self.remedy}")


@final
@dataclass(frozen=True, kw_only=True)
class Conv2d(Op):
    """A convolution, with the BatchNorm that follows it, if any.

    Attributes:
        padding: Zeros on each side; ``None`` means half the kernel, which keeps the size at stride 1.
        norm: Whether BatchNorm follows. At inference it is folded into weights and bias.
    """

    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    padding: int | None = None
    norm: bool = True
    bias: bool = False

    def __post_init__(self) -> None:
        channels = self.in_shape.channels
        if self.groups < 1 or channels % self.groups or self.out_channels % self.groups:
            raise UserError(
                f"a convolution of {channels} to {self.out_channels} channels cannot have {self.groups} "
                "groups; both numbers must be multiples of the groups"
            )

    @property
    def name(self) -> str:
        if self.groups == self.in_shape.channels and self.groups > 1:
            return "depthwise convolution"
        return "pointwise convolution" if self.kernel == 1 else "convolution"

    @property
    def pad(self) -> int:
        return self.kernel // 2 if self.padding is None else self.padding

    @property
    def out_shape(self) -> Shape:
        def size(n: int) -> int:
            return (n + 2 * self.pad - self.kernel) // self.stride + 1

        return Shape(self.out_channels, size(self.in_shape.height), size(self.in_shape.width))

    @property
    def group_channels(self) -> int:
        """Input channels of each group: the second dimension of the weights (out, in / groups, K, K)."""
        return self.in_shape.channels // self.groups

    @property
    def kernel_elements(self) -> int:
        return self.out_channels * self.group_channels * self.kernel**2

    @property
    def macs(self) -> int:
        return self.kernel_elements * self.out_shape.pixels

    @property
    def params(self) -> int:
        return self.kernel_elements + self.out_channels * (2 * self.norm + self.bias)

    @property
    def weight_elements(self) -> int:
        return self.kernel_elements + self.out_channels * (self.norm or self.bias)


@final
@dataclass(frozen=True, kw_only=True)
class Linear(Op):
    """A product of the vector of each pixel with a weight matrix, with the BatchNorm that follows, if any.

    Attributes:
        norm: Whether BatchNorm follows. At inference it is folded into weights and bias.
    """

    out_features: int
    bias: bool = True
    norm: bool = False

    @property
    def name(self) -> str:
        return "matrix product"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.out_features, self.in_shape.height, self.in_shape.width)

    @property
    def macs(self) -> int:
        return self.in_shape.elements * self.out_features

    @property
    def params(self) -> int:
        return (self.in_shape.channels + self.bias + 2 * self.norm) * self.out_features

    @property
    def weight_elements(self) -> int:
        return (self.in_shape.channels + (self.norm or self.bias)) * self.out_features


@dataclass(frozen=True, kw_only=True)
class Elementwise(Op):
    """An operation on single elements of a feature map, which runtimes run inside another operation."""

    @property
    def fused_elements(self) -> int:
        """Elements of the operands other than the feature map that it transforms."""
        return self.moved_elements - self.in_shape.elements - self.out_shape.elements


@final
@dataclass(frozen=True, kw_only=True)
class Activation(Elementwise):
    """An elementwise nonlinearity, one of ``ACTIVATIONS``."""

    function: str

    @property
    def name(self) -> str:
        return self.function.replace("_", "-")


@final
@dataclass(frozen=True, kw_only=True)
class Pool(Op):
    """A maximum or average over windows; averages count only the pixels inside the image.

    Attributes:
        mode: ``"max"`` or ``"average"``.
        ceil: Whether a partly filled last window counts.
    """

    mode: str
    kernel: int
    stride: int
    padding: int = 0
    ceil: bool = False

    @property
    def name(self) -> str:
        return f"{self.mode} pool"

    @property
    def out_shape(self) -> Shape:
        def size(n: int) -> int:
            extra = self.stride - 1 if self.ceil else 0
            return (n + 2 * self.padding - self.kernel + extra) // self.stride + 1

        return Shape(self.in_shape.channels, size(self.in_shape.height), size(self.in_shape.width))


@final
@dataclass(frozen=True, kw_only=True)
class GlobalAveragePool(Op):
    """The mean over all pixels: (C, H, W) to (C, 1, 1)."""

    @property
    def name(self) -> str:
        return "global average pool"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.in_shape.channels, 1, 1)


@final
@dataclass(frozen=True, kw_only=True)
class Add(Elementwise):
    """The sum of two feature maps of equal shape."""

    @property
    def name(self) -> str:
        return "addition"

    @property
    def input_elements(self) -> int:
        return 2 * self.in_shape.elements


@final
@dataclass(frozen=True, kw_only=True)
class Multiply(Elementwise):
    """A feature map times one factor per channel, as at the end of squeeze-excite."""

    @property
    def name(self) -> str:
        return "multiplication"

    @property
    def input_elements(self) -> int:
        return self.in_shape.elements + self.in_shape.channels


@final
@dataclass(frozen=True, kw_only=True)
class Scale(Elementwise):
    """A feature map times one learned factor per channel (layer scale; Touvron et al. 2021, section 2.1)."""

    @property
    def name(self) -> str:
        return "layer scale"

    @property
    def params(self) -> int:
        return self.in_shape.channels


@final
@dataclass(frozen=True, kw_only=True)
class LayerNorm(Op):
    """Normalisation over the channels of each pixel, with a learned scale and shift."""

    epsilon: float = 1e-6

    @property
    def name(self) -> str:
        return "layer norm"

    @property
    def params(self) -> int:
        return 2 * self.in_shape.channels


@final
@dataclass(frozen=True, kw_only=True)
class BatchNorm(Elementwise):
    """Normalisation over the batch without a product before it: a factor and a summand per channel."""

    @property
    def name(self) -> str:
        return "batch norm"

    @property
    def params(self) -> int:
        return 2 * self.in_shape.channels
