"""PyTorch modules, built from the primitive operations of blocks of any kind."""

from __future__ import annotations

from nas.nn.block import Block, zero_residual_scales
from nas.nn.drop import NO_DROP, Drop
from nas.nn.inherit import inherit
from nas.nn.static import StaticNetwork
from nas.nn.supernet import Supernet

__all__ = ["NO_DROP", "Block", "Drop", "StaticNetwork", "Supernet", "inherit", "zero_residual_scales"]
