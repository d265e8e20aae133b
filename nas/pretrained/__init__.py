"""Weights that were trained elsewhere, and how a supernet starts from them."""

from __future__ import annotations

from nas.pretrained.base import (
    SOURCES,
    Inherited,
    Origin,
    Preprocessing,
    Pretrained,
    Source,
    Start,
    Store,
)
from nas.pretrained.find import Located, find_start, locate, pretrained_names
from nas.pretrained.tensor_file import TensorFile, read_tensors

__all__ = [
    "SOURCES",
    "Inherited",
    "Located",
    "Origin",
    "Preprocessing",
    "Pretrained",
    "Source",
    "Start",
    "Store",
    "TensorFile",
    "find_start",
    "locate",
    "pretrained_names",
    "read_tensors",
]
