"""Latency tables: look-up here; ``nas.latency.build`` measures (and needs onnx and a runtime)."""

from __future__ import annotations

from nas.latency.accuracy import Accuracy, Figures
from nas.latency.additive import BlockCost, BlockModel
from nas.latency.correction import Correction
from nas.latency.fitted import NetworkModel
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
    "NetworkModel",
    "Record",
]
