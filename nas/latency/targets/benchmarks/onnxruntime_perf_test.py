"""ONNX Runtime's own benchmark, built with ``--android`` or for any other system."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from nas.errors import UserError, unknown
from nas.latency.targets.benchmarks.contract import Benchmark, register

_PROVIDERS = {
    "CPUExecutionProvider": "cpu",
    "XnnpackExecutionProvider": "xnnpack",
    "NnapiExecutionProvider": "nnapi",
    "QNNExecutionProvider": "qnn",
}
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY=${ORT_DISABLE_TELEMETRY:-1}"  # a thread that disturbs measurements
_AVERAGE = re.compile(r"Average inference time cost(?: total)?:\s*([\d.e+-]+)\s*ms")


@final
@register
class OnnxRuntimePerfTest(Benchmark):
    """``onnxruntime_perf_test``, which warms up with one run and generates the input."""

    NAME = "onnxruntime_perf_test"

    def check(self, device: Mapping[str, Any]) -> None:
        if device["runtime"] != "onnxruntime":
            raise UserError(
                f"{self.NAME} measures device.runtime=onnxruntime, not {device['runtime']}; set that"
            )
        if device["provider"] not in _PROVIDERS:
            raise unknown(f"provider of {self.NAME}", device["provider"], _PROVIDERS)

    def model(self, path: Path) -> Path:
        return path

    def script(self, program: str, model: str, *, runs: int, device: Mapping[str, Any]) -> str:
        provider = _PROVIDERS[device["provider"]]
        options = f"-I -m times -r {runs} -x {device['threads']} -y 1 -e {provider}"
        if pairs := device.get("provider_options"):
            options += f" -i {shlex.quote(' '.join(f'{name}|{value}' for name, value in pairs.items()))}"
        if provider != "cpu":
            options += " -C 'session.disable_cpu_ep_fallback|1'"
        return f"{_NO_TELEMETRY} {shlex.quote(program)} {options} {shlex.quote(model)} 2>&1"

    def seconds(self, printed: str) -> float | None:
        match = _AVERAGE.search(printed)
        return None if match is None else 1e-3 * float(match[1])
