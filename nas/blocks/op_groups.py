"""Primitive operations with something in common."""

from __future__ import annotations

from nas.blocks.offset_ops import OffsetAttention, Subsample
from nas.blocks.ops import LayerNorm, Linear
from nas.blocks.scan_ops import SelectiveScan
from nas.blocks.token_ops import (
    Attention,
    Concat,
    First,
    Position,
    Prepend,
    Resize,
    SpaceToDepth,
    Unwindows,
    Windows,
)

SHUFFLES = (Windows, Unwindows, Resize, SpaceToDepth, Prepend, First, Concat, Subsample)
"""Operations that only give values another place."""

TOKENS = (
    *(Linear, LayerNorm, Attention, OffsetAttention, SelectiveScan),
    *(Windows, Unwindows, Resize, SpaceToDepth, Position, Prepend, First, Subsample),
)
"""Operations on tokens, (N, H, W, C): runtimes compute them without a transposition in this layout only."""
