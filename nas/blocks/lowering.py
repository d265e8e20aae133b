"""The graph of one block: primitive operations that name their inputs."""

from __future__ import annotations

from nas.blocks.offset_ops import OffsetAttention, Subsample
from nas.blocks.ops import (
    INPUT,
    Activation,
    Add,
    BatchNorm,
    Conv2d,
    GlobalAveragePool,
    LayerNorm,
    Linear,
    Multiply,
    Op,
    Pool,
    Scale,
    Shape,
)
from nas.blocks.scan_ops import SelectiveScan
from nas.blocks.token_ops import (
    Attention,
    Concat,
    First,
    Grid,
    LinearAttention,
    Position,
    Prepend,
    Product,
    Resize,
    SpaceToDepth,
    Unwindows,
    Windows,
)
from nas.errors import UserError


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

    def linear(self, x: int, out_features: int, *, role: str, bias: bool = True, norm: bool = False) -> int:
        """A matrix product with the vector of each pixel, and BatchNorm if ``norm`` is on."""
        return self._append(
            Linear(
                in_shape=self.shape(x),
                inputs=(x,),
                role=role,
                out_features=out_features,
                bias=bias,
                norm=norm,
            )
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

    def layer_norm(self, x: int, *, role: str, epsilon: float = 1e-6) -> int:
        """Normalisation over the channels of each pixel."""
        return self._append(LayerNorm(in_shape=self.shape(x), inputs=(x,), role=role, epsilon=epsilon))

    def batch_norm(self, x: int, *, role: str) -> int:
        """Normalisation over the batch."""
        return self._append(BatchNorm(in_shape=self.shape(x), inputs=(x,), role=role))

    def attention(
        self, query: int, key: int, value: int, *, heads: int, grid: Grid | None = None, role: str = ""
    ) -> int:
        """Softmax attention over all pixels, or within windows with weights of ``role``."""
        assert self.shape(query) == self.shape(key), (self.shape(query), self.shape(key))
        return self._append(
            Attention(
                in_shape=self.shape(query),
                inputs=(query, key, value),
                role=role,
                heads=heads,
                value_channels=self.shape(value).channels,
                grid=grid,
            )
        )

    def offset_attention(
        self, query: int, key: int, value: int, *, heads: int, stride: int, role: str
    ) -> int:
        """Softmax attention of every ``stride``-th pixel, with a learned number for each offset."""
        keys = self.shape(key)
        return self._append(
            OffsetAttention(
                in_shape=self.shape(query),
                inputs=(query, key, value),
                role=role,
                heads=heads,
                value_channels=self.shape(value).channels,
                key_height=keys.height,
                key_width=keys.width,
                stride=stride,
            )
        )

    def subsample(self, x: int, stride: int) -> int:
        """Every ``stride``-th pixel of every ``stride``-th row."""
        return self._append(Subsample(in_shape=self.shape(x), inputs=(x,), stride=stride))

    def linear_attention(self, query: int, key: int, value: int, *, heads: int) -> int:
        """Attention of linear cost over all pixels."""
        assert self.shape(query) == self.shape(key) == self.shape(value)
        return self._append(
            LinearAttention(in_shape=self.shape(query), inputs=(query, key, value), heads=heads)
        )

    def selective_scan(
        self, value: int, step: int, inputs: int, outputs: int, *, chunk: int, role: str
    ) -> int:
        """A linear recurrence over all pixels, every other head backwards."""
        return self._append(
            SelectiveScan(
                in_shape=self.shape(value),
                inputs=(value, step, inputs, outputs),
                role=role,
                heads=self.shape(step).channels,
                states=self.shape(inputs).channels,
                chunk=chunk,
            )
        )

    def product(self, x: int, y: int) -> int:
        """The product of two values of equal shape."""
        assert self.shape(x) == self.shape(y), (self.shape(x), self.shape(y))
        return self._append(Product(in_shape=self.shape(x), inputs=(x, y)))

    def concat(self, *values: int) -> int:
        """The channels of several values."""
        channels = sum(self.shape(x).channels for x in values)
        return self._append(Concat(in_shape=self.shape(values[0]), inputs=values, out_channels=channels))

    def windows(self, x: int, grid: Grid) -> int:
        """The windows of a map as rows."""
        return self._append(Windows(in_shape=self.shape(x), inputs=(x,), grid=grid))

    def unwindows(self, x: int, grid: Grid) -> int:
        """The map of windows that are rows."""
        return self._append(Unwindows(in_shape=self.shape(x), inputs=(x,), grid=grid))

    def resize(self, x: int, height: int, width: int) -> int:
        """A map padded or cropped below and to the right; one of this size as it is."""
        if (self.shape(x).height, self.shape(x).width) == (height, width):
            return x
        return self._append(Resize(in_shape=self.shape(x), inputs=(x,), height=height, width=width))

    def space_to_depth(self, x: int, side: int) -> int:
        """Squares of pixels as channels."""
        return self._append(SpaceToDepth(in_shape=self.shape(x), inputs=(x,), side=side))

    def position(self, x: int, *, role: str) -> int:
        """The sum with a learned table."""
        return self._append(Position(in_shape=self.shape(x), inputs=(x,), role=role))

    def prepend(self, x: int, *, role: str) -> int:
        """A learned token before all pixels."""
        return self._append(Prepend(in_shape=self.shape(x), inputs=(x,), role=role))

    def first(self, x: int) -> int:
        """The first pixel."""
        return self._append(First(in_shape=self.shape(x), inputs=(x,)))

    def squeeze_excite(self, x: int, squeeze: int, *, activation: str, gate: str) -> int:
        """Channel attention (Hu et al. 2018, section 3): pool, two 1×1 convolutions, a gate, a product."""
        y = self.conv(self.global_pool(x), squeeze, role="squeeze", norm=False, bias=True)
        y = self.conv(
            self.activation(y, activation), self.shape(x).channels, role="excite", norm=False, bias=True
        )
        return self.multiply(x, self.activation(y, gate))
