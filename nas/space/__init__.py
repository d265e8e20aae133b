"""Search spaces and their points."""

from __future__ import annotations

from nas.arrays import IntArray
from nas.space.architecture import Architecture, Choice
from nas.space.lowering import Lowered
from nas.space.rows import ABSENT, Dimension
from nas.space.space import SearchSpace
from nas.space.stage import StageSpace

__all__ = [
    "ABSENT",
    "Architecture",
    "Choice",
    "Dimension",
    "IntArray",
    "Lowered",
    "SearchSpace",
    "StageSpace",
]
