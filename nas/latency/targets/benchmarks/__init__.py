"""Benchmark programs for devices without Python, one file each; each registers itself."""

from __future__ import annotations

from nas.latency.targets.benchmarks import onnxruntime_perf_test, tflite_benchmark_model
from nas.latency.targets.benchmarks.contract import Benchmark, benchmarks, find_benchmark

__all__ = ["Benchmark", "benchmarks", "find_benchmark", "onnxruntime_perf_test", "tflite_benchmark_model"]
