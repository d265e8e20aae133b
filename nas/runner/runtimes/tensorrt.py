"""TensorRT 10 and 11, through their native interface.

All engines share one timing cache, a file beside the models, so that blocks and whole networks get the same
kernels, also after an interruption. Options: ``cuda_graph`` (true by default) and ``optimization_level`` (the
builder's, 0 to 5).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunnerError
from ..nvidia.cuda import Cuda, open_cuda
from ..nvidia.engine import EngineBuilder, import_library
from ..protocol import Model
from . import Runtime

PRECISIONS = ("fp32", "tf32", "fp16", "int8")

_OPTIONS = {"cuda_graph": True, "optimization_level": 3}
_PROFILED_RUNS = 10
_WARM_UP = 3


def open_device(device: dict[str, Any]) -> Runtime:
    """TensorRT with the options and precision of ``device``.

    Raises:
        RunnerError: If TensorRT is not installed or too old, there is no GPU, or an option is unknown.
    """
    library = import_library(["tensorrt"])
    options = device.get("provider_options", {})
    for name in options:
        if name not in _OPTIONS:
            raise RunnerError(f"tensorrt has no option {name!r}; allowed: {', '.join(_OPTIONS)}")
    return _TensorRt(library, open_cuda(), {**device, "provider_options": {**_OPTIONS, **options}})


class _TensorRt(Runtime):
    def __init__(self, library: Any, cuda: Cuda, device: dict[str, Any]) -> None:
        self._library, self._cuda, self._device = library, cuda, device
        self._logger = library.Logger(library.ILogger.ERROR)
        self._runtime = library.Runtime(self._logger)
        self._builder: EngineBuilder | None = None

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def open(self, path: Path) -> Model:
        model = self._open(path)
        if self._device["provider_options"]["cuda_graph"]:
            model.use_graph()
        return model

    def profile(self, path: Path) -> list[tuple[str, float]]:
        model = self._open(path)
        model.time(_WARM_UP)
        profiler = _make_profiler(self._library)
        model.context.profiler = profiler
        for _ in range(_PROFILED_RUNS):
            model.time(1)
        return [(name, ms * 1e3 / _PROFILED_RUNS) for name, ms in profiler.took_ms.items()]

    def _open(self, path: Path) -> _TensorRtModel:
        engine = self._engine(path)
        return _TensorRtModel(self._library, self._cuda, engine, batch=self._device["batch"])

    def _engine(self, path: Path) -> Any:
        plan = self._builder_for(path.parent).build(path, batch=self._device["batch"])
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise RunnerError(f"tensorrt cannot build an engine for {path}; its own log says why")
        return engine

    def _builder_for(self, folder: Path) -> EngineBuilder:
        """The builder, whose timing cache lies beside the first model."""
        if self._builder is None:
            self._builder = EngineBuilder(
                self._library,
                tf32=self._device["precision"] == "tf32",
                optimization_level=self._device["provider_options"]["optimization_level"],
                cache=folder / f"tensorrt-{self.version}.cache",
            )
        return self._builder


class _TensorRtModel(Model):
    def __init__(self, library: Any, cuda: Cuda, engine: Any, *, batch: int) -> None:
        self.context = engine.create_execution_context()
        self._cuda, self._engine = cuda, engine
        self._memory: list[Any] = []
        rng = np.random.default_rng(0)
        for name in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors)):
            if engine.get_tensor_mode(name) == library.TensorIOMode.INPUT:
                shape = tuple(batch if size < 0 else size for size in engine.get_tensor_shape(name))
                self.context.set_input_shape(name, shape)
            half = engine.get_tensor_dtype(name) == library.DataType.HALF
            values = rng.standard_normal(tuple(self.context.get_tensor_shape(name)), np.float32)
            memory, address = cuda.upload(values.astype(np.float16) if half else values)
            self._memory.append(memory)
            self.context.set_tensor_address(name, address)
        self._launch: Callable[[], None] = self._enqueue
        self.time(_WARM_UP)

    def _enqueue(self) -> None:
        if not self.context.execute_async_v3(self._cuda.stream):
            raise RunnerError("tensorrt could not run an engine that it had built; its own log says why")

    def use_graph(self) -> None:
        """Turns the network into one launch from now on."""
        self._launch = self._cuda.capture(self._enqueue)
        self.time(_WARM_UP)

    def time(self, runs: int) -> float:
        self._cuda.synchronize()
        return self._cuda.elapsed_s(self._launch, runs)


def _make_profiler(library: Any) -> Any:
    """An object that sums the times of layers that TensorRT reports."""

    class Profiler(library.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            library.IProfiler.__init__(self)
            self.took_ms: dict[str, float] = {}

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.took_ms[layer_name] = self.took_ms.get(layer_name, 0.0) + ms

    return Profiler()
