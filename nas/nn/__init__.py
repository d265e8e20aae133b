"""PyTorch modules, built from the primitive operations of the blocks: no code for any one block kind."""

from __future__ import annotations

from nas.nn.block import Block
from nas.nn.static import StaticNetwork
from nas.nn.supernet import Supernet

__all__ = ["Block", "StaticNetwork", "Supernet"]
