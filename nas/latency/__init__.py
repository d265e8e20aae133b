"""Latency tables: look-up here; ``nas.latency.build`` measures (and needs onnx and a runtime)."""

from __future__ import annotations

from nas.latency.correction import Accuracy, Correction, Figures
from nas.latency.table import BlockCost, LatencyTable, Record

__all__ = ["Accuracy", "BlockCost", "Correction", "Figures", "LatencyTable", "Record"]
