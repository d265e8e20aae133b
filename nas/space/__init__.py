"""Search spaces and their points."""

from __future__ import annotations

from nas.space.architecture import Architecture, Choice
from nas.space.lowering import IntArray, Lowered
from nas.space.space import ABSENT, Dimension, SearchSpace
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
