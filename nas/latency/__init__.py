"""Latency tables: look-up here; ``nas.latency.measure`` measures, which needs onnx and a runtime."""

from __future__ import annotations

from nas.latency.load import load_table
from nas.latency.models.accuracy import Accuracy, Figures
from nas.latency.models.base import LatencyModel
from nas.latency.models.blocks import BlockCost, BlockModel
from nas.latency.models.correction import Correction
from nas.latency.models.networks import NetworkModel
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
    "load_table",
]
