"""Latency tables: look-up here; ``nas.latency.build`` measures (and needs onnx and a runtime)."""

from __future__ import annotations

from nas.latency.additive import BlockCost, BlockModel
from nas.latency.correction import Accuracy, Correction, Figures
from nas.latency.model import LatencyModel
from nas.latency.table import LatencyTable, Record

__all__ = [
    "Accuracy",
    "BlockCost",
    "BlockModel",
    "Correction",
    "Figures",
    "LatencyModel",
    "LatencyTable",
    "Record",
]
