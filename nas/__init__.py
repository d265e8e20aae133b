"""Hardware-aware neural architecture search."""

from __future__ import annotations

import os

# ONNX Runtime 1.32 sends usage data, from a thread that disturbs measurements; this is read at its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.2.0"
