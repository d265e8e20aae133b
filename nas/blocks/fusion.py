"""Operations that a runtime runs as one, and the traffic that remains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from nas.blocks.ops import BYTES_PER_ELEMENT, Elementwise, Op, Shape


@final
@dataclass(frozen=True)
class FusedOp:
    """An operation with the elementwise ones that run inside it.

    Their main operand and their result stay in registers; only further operands, such as the shortcut that an
    addition reads, cross memory. Where an elementwise operation has another producer, it runs inside its
    consumer instead: the traffic is the same.

    Attributes:
        ops: The operations, in the order of the lowering; all but the first are elementwise.
    """

    ops: tuple[Op, ...]

    @property
    def name(self) -> str:
        """The usual name of the operation that the others run inside."""
        return self.ops[0].name

    @property
    def names(self) -> str:
        """The names of all operations, e.g. ``"convolution + addition + relu"``."""
        return " + ".join(op.name for op in self.ops)

    @property
    def in_shape(self) -> Shape:
        return self.ops[0].in_shape

    @property
    def out_shape(self) -> Shape:
        return self.ops[-1].out_shape

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(op.macs for op in self.ops)

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def scratch_elements(self) -> int:
        """Elements of intermediate values of one image, such as the scores of attention."""
        return sum(op.scratch_elements for op in self.ops)

    def bytes_moved(self, precision: str = "fp32", *, batch: int = 1) -> int:
        """Bytes read and written in ``precision``; weights are read once for a batch."""
        weights = sum(op.weight_elements for op in self.ops)
        activations = sum(op.fused_elements for op in self.ops) - weights
        return (batch * activations + weights) * BYTES_PER_ELEMENT[precision]


def fused(ops: Iterable[Op]) -> tuple[FusedOp, ...]:
    """Groups operations as a runtime does: elementwise ones join the operation before them."""
    groups: list[list[Op]] = []
    for op in ops:
        if isinstance(op, Elementwise) and groups:
            groups[-1].append(op)
        else:
            groups.append([op])
    return tuple(FusedOp(tuple(group)) for group in groups)
