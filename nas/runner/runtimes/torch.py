"""PyTorch, on a CPU or an NVIDIA GPU: eager, or captured as a CUDA graph.

Options: ``channels_last`` (memory layout) and ``cuda_graph``, each true or false.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import RunnerError
from ..onnx_file import read_onnx
from ..protocol import Model
from ..torch_graph import TorchGraph
from . import Runtime

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")

_PROVIDERS = ("cpu", "cuda")
_OPTIONS = {"channels_last": False, "cuda_graph": False}
_PROFILED_RUNS = 10


def takes_turns(device: dict[str, Any]) -> bool:
    """On a CPU."""
    return bool(device["provider"] == "cpu")


def open_device(device: dict[str, Any]) -> Runtime:
    """PyTorch with the provider, options, threads and precision of ``device``.

    Raises:
        RunnerError: If PyTorch is not installed, or lacks the provider or an option.
    """
    try:
        import torch
    except ImportError:
        raise RunnerError("torch is not installed here; pip install torch") from None
    provider, options = device["provider"], device.get("provider_options", {})
    if provider not in _PROVIDERS:
        raise RunnerError(f"torch has no provider {provider!r}; allowed: {', '.join(_PROVIDERS)}")
    if provider == "cuda" and not torch.cuda.is_available():
        raise RunnerError("torch finds no GPU here; install its CUDA build and a driver, or measure on a CPU")
    for name in options:
        if name not in _OPTIONS:
            raise RunnerError(f"torch has no option {name!r}; allowed: {', '.join(_OPTIONS)}")
    if provider == "cpu" and (options.get("cuda_graph") or device["precision"] == "tf32"):
        raise RunnerError("torch has CUDA graphs and tf32 on GPUs only; choose device.provider=cuda")
    return _Torch(torch, {**device, "provider_options": {**_OPTIONS, **options}})


class _Torch(Runtime):
    def __init__(self, library: Any, device: dict[str, Any]) -> None:
        self._library, self._device = library, device

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def open(self, path: Path) -> Model:
        return self._open(path)

    def _open(self, path: Path) -> _TorchModel:
        graph = TorchGraph(self._library, read_onnx(path), device=self._device)
        return (_CudaModel if self._device["provider"] == "cuda" else _TorchModel)(graph, self._device)

    def profile(self, path: Path) -> list[tuple[str, float]]:
        model, profiler = self._open(path), self._library.autograd.profiler
        on_gpu = self._device["provider"] == "cuda"
        device = "cuda" if on_gpu else None
        with profiler.profile(use_device=device, use_kineto=on_gpu) as profile:  # Kineto starts slowly
            model.time(_PROFILED_RUNS)
        events = [
            (event.key, event.self_device_time_total if on_gpu else event.self_cpu_time_total)
            for event in profile.key_averages()
        ]
        return [(name, us / _PROFILED_RUNS) for name, us in events if us > 0]


class _TorchModel(Model):
    def __init__(self, graph: TorchGraph, device: dict[str, Any]) -> None:
        self._graph, self._device, self._library = graph, device, graph.library
        self._inputs = graph.inputs()
        self.time(1)

    def time(self, runs: int) -> float:
        with self._settings():
            return self._time(runs)

    def _time(self, runs: int) -> float:
        graph, inputs = self._graph, self._inputs
        start = time.perf_counter()
        for _ in range(runs):
            graph(inputs)
        return time.perf_counter() - start

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Applies the library's global settings while the body runs."""
        torch = self._library
        tf32 = self._device["precision"] == "tf32"
        threads, collecting = torch.get_num_threads(), gc.isenabled()
        matmul = torch.backends.cuda.matmul.allow_tf32
        gc.disable()
        torch.set_num_threads(self._device["threads"])
        torch.backends.cuda.matmul.allow_tf32 = tf32
        try:
            with torch.inference_mode(), torch.backends.cudnn.flags(benchmark=True, allow_tf32=tf32):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = matmul
            torch.set_num_threads(threads)
            if collecting:
                gc.enable()


class _CudaModel(_TorchModel):
    """Timed by events on the GPU's clock. In eager mode, waiting for Python counts, as in practice."""

    def __init__(self, graph: TorchGraph, device: dict[str, Any]) -> None:
        self._captured: Any = None
        super().__init__(graph, device)
        if device["provider_options"]["cuda_graph"]:
            with self._settings():
                self._captured = self._capture()

    def _capture(self) -> Any:
        torch, captured = self._library, self._library.cuda.CUDAGraph()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # a capture needs selected kernels and existing workspaces
            for _ in range(3):
                self._graph(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(captured):
            self._kept = self._graph(self._inputs)
        return captured

    def _time(self, runs: int) -> float:
        torch = self._library
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        for _ in range(runs):
            if self._captured is None:
                self._graph(self._inputs)
            else:
                self._captured.replay()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) * 1e-3
