"""Building and running engines of TensorRT or TensorRT-RTX.

Networks are strongly typed: the ONNX file determines the precision of each operation, by FP16 or by pairs of
QuantizeLinear and DequantizeLinear.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RunnerError
from .cuda import Cuda

LIBRARIES = ("tensorrt", "tensorrt_rtx")
"""Modules that build engines; the second is a product for GeForce and RTX GPUs with engines of its own."""


def import_library(names: Iterable[str] = LIBRARIES) -> Any:
    """The first of these modules that is installed.

    Raises:
        RunnerError: If none is, or it is too old for strongly typed networks.
    """
    for name in names:
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue
        if not hasattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
            raise RunnerError(
                f"TensorRT {library.__version__} has no strongly typed networks; pip install 'tensorrt>=10'"
            )
        return library
    raise RunnerError("tensorrt is not installed here; pip install tensorrt")


class EngineBuilder:
    """Builds engines, each for one shape of its input.

    All engines of a builder share one timing cache, so that equal layers get the same kernels.

    Args:
        library: The module of TensorRT or TensorRT-RTX.
        tf32: Whether FP32 operations may compute in TF32.
        optimization_level: The builder's, 0 to 5.
        cache: File of the timing cache, which also lasts over interruptions; ``None`` for none.
        capability: Compute capability of the GPU, e.g. ``"8.6"``, so that TensorRT-RTX needs none here;
            ``None`` for this machine's GPU.

    Raises:
        RunnerError: If the library cannot build for another GPU, or does not know the capability.
    """

    def __init__(
        self,
        library: Any,
        *,
        tf32: bool = False,
        optimization_level: int = 3,
        cache: Path | None = None,
        capability: str | None = None,
    ) -> None:
        self._library, self._tf32, self._level, self._cache_file = library, tf32, optimization_level, cache
        self._capability = None if capability is None else _capability(library, capability)
        self._logger = library.Logger(library.ILogger.ERROR)
        self._builder = library.Builder(self._logger)
        self._cache: Any = None

    def build(self, path: Path, *, batch: int) -> Any:
        """The serialised engine of an ONNX file; an open first size becomes ``batch``.

        Raises:
            RunnerError: If the file cannot be read, or no engine can be built for it.
        """
        trt = self._library
        network = self._builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, self._logger)
        if not parser.parse(path.read_bytes()):
            errors = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
            raise RunnerError(f"tensorrt cannot read {path}: {errors}")
        config = self._config()
        config.add_optimization_profile(self._shapes(network, batch))
        plan = self._builder.build_serialized_network(network, config)
        if plan is None:
            raise RunnerError(f"tensorrt cannot build an engine for {path}; its own log says why")
        self._keep_cache(config)
        return plan

    def _config(self) -> Any:
        trt, config = self._library, self._builder.create_builder_config()
        change = config.set_flag if self._tf32 else config.clear_flag
        change(trt.BuilderFlag.TF32)
        config.builder_optimization_level = self._level
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        if self._capability is not None:
            config.num_compute_capabilities = 1
            config.set_compute_capability(self._capability, 0)
        if self._cache_file is not None:
            if self._cache is None:
                file = self._cache_file
                self._cache = config.create_timing_cache(file.read_bytes() if file.is_file() else b"")
            config.set_timing_cache(self._cache, False)
        return config

    def _shapes(self, network: Any, batch: int) -> Any:
        """The shapes of the file, with ``batch`` for open sizes. No others are run."""
        profile = self._builder.create_optimization_profile()
        for i in range(network.num_inputs):
            value = network.get_input(i)
            shape = tuple(batch if size < 0 else size for size in value.shape)
            profile.set_shape(value.name, shape, shape, shape)
        return profile

    def _keep_cache(self, config: Any) -> None:
        if self._cache_file is not None:
            write_atomically(self._cache_file, bytes(config.get_timing_cache().serialize()))


def _capability(library: Any, text: str) -> Any:
    known = getattr(library, "ComputeCapability", None)
    if known is None:
        raise RunnerError(
            "tensorrt builds engines for this machine's GPU only; build on the GPU that runs them"
        )
    value = getattr(known, f"SM{text.replace('.', '')}", None)
    if value is None:
        numbers = sorted(int(name[2:]) for name in dir(known) if name.startswith("SM"))
        allowed = ", ".join(f"{number // 10}.{number % 10}" for number in numbers)
        raise RunnerError(f"unknown compute capability {text!r}; allowed: {allowed}")
    return value


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name, and renames it."""
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    temporary.replace(path)


def read_own(path: Path) -> bytes:
    """The content of an engine that this user has built. An engine contains code, which loading may run.

    Raises:
        RunnerError: If the file is another user's, or others may write to it.
    """
    about = path.stat()
    if hasattr(os, "getuid") and (about.st_uid != os.getuid() or about.st_mode & 0o022):
        raise RunnerError(
            f"{path} belongs to another user, or others may write to it, and an engine contains code; build "
            "it again here, as yourself"
        )
    return path.read_bytes()


class Engine:
    """An engine on a GPU.

    Attributes:
        batch: Images of one inference.

    Raises:
        RunnerError: If the library cannot load it, e.g. because another version or another GPU has built it.
    """

    def __init__(self, library: Any, cuda: Cuda, plan: bytes) -> None:
        self._cuda = cuda
        self._runtime = library.Runtime(library.Logger(library.ILogger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise RunnerError("tensorrt cannot load the engine; build it on this GPU with this version")
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        modes = {name: self._engine.get_tensor_mode(name) for name in names}
        [self._input] = [name for name in names if modes[name] == library.TensorIOMode.INPUT]
        [self._output] = [name for name in names if name != self._input]
        self.batch = int(self._engine.get_tensor_profile_shape(self._input, 0)[1][0])

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (``batch``, classes) of images (``batch``, C, H, W).

        Raises:
            RunnerError: If the engine does not run.
        """
        images_memory, images_address = self._cuda.upload(np.ascontiguousarray(images))
        self._context.set_input_shape(self._input, images.shape)
        shape = tuple(self._context.get_tensor_shape(self._output))
        logits_memory, logits_address = self._cuda.upload(np.zeros(shape, np.float32))
        self._context.set_tensor_address(self._input, images_address)
        self._context.set_tensor_address(self._output, logits_address)
        if not self._context.execute_async_v3(self._cuda.stream):
            raise RunnerError("tensorrt could not run the engine; its own log says why")
        self._cuda.synchronize()
        del images_memory  # not before the engine has read it
        return self._cuda.download(logits_memory)
