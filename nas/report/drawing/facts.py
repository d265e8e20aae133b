"""What a drawing shows of a block, taken from its operations, so that a new kind needs no code here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from nas.blocks import BlockSpec
from nas.blocks.ops import INPUT, Add, Conv2d, GlobalAveragePool, Linear, Multiply

ABSENT = "–"
_ATTENTION = ("attention", "softmax")


@final
@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one block.

    Attributes:
        kernels: Sides of the spatial kernels, such as ``"5"`` or ``"3+3"``; ``"1"`` for pointwise
            convolutions, a dash without a convolution.
        expansion: Channels of the widest inner layer as a multiple of the input's, such as ``"×6"``; a dash
            if there is none.
        inner_channels: Channels of the widest inner layer; 0 if there is none.
        squeezes: Whether it reweights its channels by their means (squeeze-excite).
        attends: Whether pixels attend to each other.
        shortcut: ``"identity"``, ``"projected"`` (another path is added) or empty.
    """

    kernels: str
    expansion: str
    inner_channels: int
    squeezes: bool
    attends: bool
    shortcut: str


def facts(block: BlockSpec) -> Facts:
    """Returns the facts of a block of any kind."""
    layers = [op for op in block.ops if isinstance(op, Conv2d | Linear)]
    kernels = [op.kernel for op in layers if isinstance(op, Conv2d)]
    inner = max((op.out_shape.channels for op in layers[:-1]), default=0)
    expands = len(layers) > 1 and inner != block.in_channels
    return Facts(
        kernels="+".join(str(side) for side in kernels if side > 1) or ("1" if kernels else ABSENT),
        expansion=f"×{inner / block.in_channels:.2g}" if expands else ABSENT,
        inner_channels=inner,
        squeezes=_squeezes(block),
        attends=any(word in op.name for op in block.ops for word in _ATTENTION),
        shortcut=_shortcut(block),
    )


def _squeezes(block: BlockSpec) -> bool:
    """Whether a product with factors follows a mean over all pixels."""
    pooled = [isinstance(op, GlobalAveragePool) for op in block.ops]
    first = pooled.index(True) if True in pooled else len(pooled)
    return any(isinstance(op, Multiply) for op in block.ops[first:])


def _shortcut(block: BlockSpec) -> str:
    sums = [op for op in block.ops if isinstance(op, Add)]
    if any(INPUT in op.inputs for op in sums):
        return "identity"
    return "projected" if sums else ""
