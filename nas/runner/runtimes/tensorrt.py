"""TensorRT 10 and 11, through their native interface.

Networks are strongly typed: the ONNX file determines the precision of each operation, by FP16 or by pairs of
QuantizeLinear and DequantizeLinear. All engines share one timing cache, a file beside the models, so that
blocks and whole networks get the same kernels, also after an interruption. Options: ``cuda_graph`` (true by
default) and ``optimization_level`` (the builder's, 0 to 5).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..cuda import Cuda, open_cuda
from ..errors import RunnerError
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
    try:
        import tensorrt  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise RunnerError("tensorrt is not installed here; pip install tensorrt") from None
    if not hasattr(tensorrt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        raise RunnerError(
            f"TensorRT {tensorrt.__version__} has no strongly typed networks; pip install 'tensorrt>=10'"
        )
    options = device.get("provider_options", {})
    for name in options:
        if name not in _OPTIONS:
            raise RunnerError(f"tensorrt has no option {name!r}; allowed: {', '.join(_OPTIONS)}")
    return _TensorRt(tensorrt, open_cuda(), {**device, "provider_options": {**_OPTIONS, **options}})


class _TensorRt(Runtime):
    def __init__(self, library: Any, cuda: Cuda, device: dict[str, Any]) -> None:
        self._library, self._cuda, self._device = library, cuda, device
        self._logger = library.Logger(library.ILogger.ERROR)
        self._builder = library.Builder(self._logger)
        self._runtime = library.Runtime(self._logger)
        self._cache: Any = None

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
        trt = self._library
        network = self._builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, self._logger)
        if not parser.parse(path.read_bytes()):
            errors = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
            raise RunnerError(f"tensorrt cannot read {path}: {errors}")
        config = self._config(network, path.parent)
        plan = self._builder.build_serialized_network(network, config)
        engine = None if plan is None else self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise RunnerError(f"tensorrt cannot build an engine for {path}; its own log says why")
        self._keep_cache(config, path.parent)
        return engine

    def _config(self, network: Any, folder: Path) -> Any:
        trt, config = self._library, self._builder.create_builder_config()
        change = config.set_flag if self._device["precision"] == "tf32" else config.clear_flag
        change(trt.BuilderFlag.TF32)
        config.builder_optimization_level = self._device["provider_options"]["optimization_level"]
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        if self._cache is None:
            file = self._cache_file(folder)
            self._cache = config.create_timing_cache(file.read_bytes() if file.is_file() else b"")
        config.set_timing_cache(self._cache, False)
        config.add_optimization_profile(self._shapes(network))
        return config

    def _shapes(self, network: Any) -> Any:
        """The shapes of the file, with the device's batch for open ones. No others are run."""
        profile = self._builder.create_optimization_profile()
        for i in range(network.num_inputs):
            value = network.get_input(i)
            shape = tuple(self._device["batch"] if size < 0 else size for size in value.shape)
            profile.set_shape(value.name, shape, shape, shape)
        return profile

    def _cache_file(self, folder: Path) -> Path:
        return folder / f"tensorrt-{self.version}.cache"

    def _keep_cache(self, config: Any, folder: Path) -> None:
        file = self._cache_file(folder)
        temporary = file.with_suffix(".part")
        temporary.write_bytes(bytes(config.get_timing_cache().serialize()))
        temporary.replace(file)


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
