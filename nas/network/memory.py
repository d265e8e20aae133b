"""The memory of a running network: its weights, and the peak of its feature maps."""

from __future__ import annotations

from functools import lru_cache

from nas.blocks import BlockSpec
from nas.blocks.ops import BYTES_PER_ELEMENT, INPUT, Elementwise, Op
from nas.network.spec import NetworkSpec


def weight_bytes(network: NetworkSpec, precision: str = "fp32") -> int:
    """Bytes of all constants read at inference, with BatchNorm folded, in ``precision``."""
    return sum(block_weight_bytes(block, precision) for block in network.blocks)


def peak_activation_bytes(network: NetworkSpec, precision: str = "fp32", *, fused: bool = False) -> int:
    """Peak bytes of live feature maps, for one image.

    Operations run one after another, in the order of the lowering. While one runs, its inputs, its output and
    every value that a later one reads are in memory. An elementwise operation overwrites its first input if
    no later operation reads it (Lin et al. 2020, "MCUNet", section 3, for networks of any shape). Weights do
    not count.

    Args:
        network: The network.
        precision: The precision of feature maps.
        fused: Whether one kernel runs all of attention, so that its scores are never in memory (Dao et al.
            2022, "FlashAttention", section 3.1).
    """
    return max(block_activation_bytes(block, precision, fused=fused) for block in network.blocks)


def block_weight_bytes(block: BlockSpec, precision: str) -> int:
    """The share of one block in ``weight_bytes``."""
    return sum(op.weight_elements for op in block.ops) * BYTES_PER_ELEMENT[precision]


def block_activation_bytes(block: BlockSpec, precision: str, *, fused: bool = False) -> int:
    """The peak within one block, its input included. Blocks form a chain, so no other map is alive."""
    return _peak_elements(block, fused) * BYTES_PER_ELEMENT[precision]


@lru_cache(maxsize=100_000)
def _peak_elements(block: BlockSpec, fused: bool) -> int:
    ops = block.ops
    last_read = {INPUT: -1}
    for position, op in enumerate(ops):
        last_read.update(dict.fromkeys(op.inputs, position))
    sizes = {INPUT: block.in_shape.elements, **{i: op.out_shape.elements for i, op in enumerate(ops)}}
    alive, peak = {INPUT}, sizes[INPUT]
    for position, op in enumerate(ops):
        if _overwrites(op, position, last_read):
            alive.discard(op.inputs[0])
        alive.add(position)
        scratch = 0 if fused else op.scratch_elements
        peak = max(peak, sum(sizes[value] for value in alive) + scratch)
        alive -= {value for value in op.inputs if last_read[value] <= position}
    return peak


def _overwrites(op: Op, position: int, last_read: dict[int, int]) -> bool:
    """Whether the output overwrites the first input."""
    return isinstance(op, Elementwise) and last_read[op.inputs[0]] == position
