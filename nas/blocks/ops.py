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
    """A matrix product of one vector (height and width 1) with a weight matrix."""

    out_features: int
    bias: bool = True

    @property
    def name(self) -> str:
        return "matrix product"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.out_features, 1, 1)

    @property
    def macs(self) -> int:
        return self.in_shape.elements * self.out_features

    @property
    def params(self) -> int:
        return self.macs + self.out_features * self.bias


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


class Lowering:
    """Collects the operations of one block. Each method appends one and returns its position.

    >>> net = Lowering(Shape(3, 32, 32))
    >>> net.activation(net.conv(INPUT, 16, role="conv", kernel=3, stride=2), "relu")
    1
    >>> net.ops[1].out_shape
    Shape(channels=16, height=16, width=16)
    """

    def __init__(self, in_shape: Shape) -> None:
        self._in_shape = in_shape
        self._ops: list[Op] = []

    @property
    def ops(self) -> tuple[Op, ...]:
        return tuple(self._ops)

    def shape(self, x: int) -> Shape:
        """The shape of the value at position ``x``."""
        return self._in_shape if x == INPUT else self._ops[x].out_shape

    def _append(self, op: Op) -> int:
        if op.role and any(op.role == other.role for other in self._ops):
            raise UserError(
                f"role {op.role!r} stands twice in one block; give the weights of each operation a role of "
                "their own"
            )
        self._ops.append(op)
        return len(self._ops) - 1

    def conv(
        self,
        x: int,
        out_channels: int,
        *,
        role: str,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
        norm: bool = True,
        bias: bool = False,
    ) -> int:
        """A convolution, with BatchNorm unless ``norm`` is off."""
        return self._append(
            Conv2d(
                in_shape=self.shape(x),
                inputs=(x,),
                role=role,
                out_channels=out_channels,
                kernel=kernel,
                stride=stride,
                groups=groups,
                padding=padding,
                norm=norm,
                bias=bias,
            )
        )

    def depthwise(
        self, x: int, *, role: str, kernel: int, stride: int = 1, norm: bool = True, bias: bool = False
    ) -> int:
        """A convolution with one group per channel."""
        channels = self.shape(x).channels
        return self.conv(
            x, channels, role=role, kernel=kernel, stride=stride, groups=channels, norm=norm, bias=bias
        )

    def linear(self, x: int, out_features: int, *, role: str, bias: bool = True) -> int:
        """A matrix product with a vector."""
        return self._append(
            Linear(in_shape=self.shape(x), inputs=(x,), role=role, out_features=out_features, bias=bias)
        )

    def activation(self, x: int, function: str) -> int:
        """A nonlinearity; ``identity`` appends nothing."""
        if function == "identity":
            return x
        return self._append(Activation(in_shape=self.shape(x), inputs=(x,), function=function))

    def pool(
        self, x: int, *, mode: str, kernel: int, stride: int, padding: int = 0, ceil: bool = False
    ) -> int:
        """A maximum or average over windows."""
        return self._append(
            Pool(
                in_shape=self.shape(x),
                inputs=(x,),
                mode=mode,
                kernel=kernel,
                stride=stride,
                padding=padding,
                ceil=ceil,
            )
        )

    def global_pool(self, x: int) -> int:
        """The mean over all pixels."""
        return self._append(GlobalAveragePool(in_shape=self.shape(x), inputs=(x,)))

    def add(self, x: int, y: int) -> int:
        """The sum of two values of equal shape."""
        assert self.shape(x) == self.shape(y), (self.shape(x), self.shape(y))
        return self._append(Add(in_shape=self.shape(x), inputs=(x, y)))

    def multiply(self, x: int, factors: int) -> int:
        """A feature map times one factor per channel."""
        return self._append(Multiply(in_shape=self.shape(x), inputs=(x, factors)))

    def scale(self, x: int, *, role: str) -> int:
        """A feature map times one learned factor per channel."""
        return self._append(Scale(in_shape=self.shape(x), inputs=(x,), role=role))

    def layer_norm(self, x: int, *, role: str) -> int:
        """Normalisation over the channels of each pixel."""
        return self._append(LayerNorm(in_shape=self.shape(x), inputs=(x,), role=role))

    def squeeze_excite(self, x: int, squeeze: int, *, activation: str, gate: str) -> int:
        """Channel attention (Hu et al. 2018, section 3): pool, two 1×1 convolutions, a gate, a product."""
        y = self.conv(self.global_pool(x), squeeze, role="squeeze", norm=False, bias=True)
        y = self.conv(
            self.activation(y, activation), self.shape(x).channels, role="excite", norm=False, bias=True
        )
        return self.multiply(x, self.activation(y, gate))
