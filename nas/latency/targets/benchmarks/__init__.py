"""Benchmark programs for devices without Python. A new program is a new file in this folder."""

from __future__ import annotations

from nas.latency.targets.benchmarks.contract import Benchmark, benchmarks, find_benchmark

__all__ = ["Benchmark", "benchmarks", "find_benchmark"]
