"""TensorFlow Lite's own benchmark."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from nas.errors import UserError
from nas.latency.targets.benchmarks.contract import Benchmark, register

_AVERAGE = re.compile(r"[Ii]nference timings in us:.*(?:Inference \(avg\)|no stats): ([\d.e+-]+)")


@final
@register
class TfliteBenchmarkModel(Benchmark):
    """``benchmark_model``, which reads TFLite models. The kit's models have to be converted."""

    NAME = "benchmark_model"

    def check(self, device: Mapping[str, Any]) -> None:
        if device["runtime"] != "tflite":
            raise UserError(f"{self.NAME} measures device.runtime=tflite, not {device['runtime']}; set that")

    def model(self, path: Path) -> Path:
        converted = path.with_suffix(".tflite")
        if not converted.is_file():
            raise UserError(
                f"{self.NAME} reads TFLite models, but {converted} does not exist; convert every model in "
                f"{path.parent} (onnx2tf does that) beside itself, and repeat the command"
            )
        return converted

    def script(self, program: str, model: str, *, runs: int, device: Mapping[str, Any]) -> str:
        options = {"num_runs": runs, "min_secs": 0, "warmup_runs": 1, "warmup_min_secs": 0}
        options |= {"num_threads": device["threads"], **device.get("provider_options", {})}
        flags = " ".join(shlex.quote(f"--{name}={value}") for name, value in options.items())
        return f"{shlex.quote(program)} --graph={shlex.quote(model)} {flags} 2>&1"

    def seconds(self, printed: str) -> float | None:
        match = _AVERAGE.search(printed)
        return None if match is None else 1e-6 * float(match[1])
