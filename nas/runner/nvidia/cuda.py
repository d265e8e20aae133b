"""Memory, streams, events and graphs of an NVIDIA GPU, through cuda-python or PyTorch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RunnerError


class Cuda(ABC):
    """One GPU and one stream on it."""

    @property
    @abstractmethod
    def stream(self) -> int:
        """The stream's handle."""

    @abstractmethod
    def upload(self, array: NDArray[Any]) -> tuple[Any, int]:
        """A copy of ``array`` in GPU memory, which is freed with the returned object, and its address."""

    @abstractmethod
    def download(self, memory: Any) -> NDArray[Any]:
        """The content of what ``upload`` returned."""

    @abstractmethod
    def capture(self, launch: Callable[[], None]) -> Callable[[], None]:
        """A function that repeats the work of ``launch`` as one CUDA graph."""

    @abstractmethod
    def elapsed_s(self, launch: Callable[[], None], runs: int) -> float:
        """Seconds between an event before ``runs`` launches and one after them, on the GPU's clock."""

    @abstractmethod
    def synchronize(self) -> None:
        """Waits for the work in the stream."""


def open_cuda() -> Cuda:
    """The GPU, through cuda-python or PyTorch.

    Raises:
        RunnerError: If neither is installed, or there is no GPU.
    """
    for backend in (_CudaPython, _TorchCuda):
        try:
            return backend()
        except ImportError:
            continue
    raise RunnerError("tensorrt needs cuda-python or torch to reach a GPU's memory; pip install cuda-python")


class _CudaPython(Cuda):
    def __init__(self) -> None:
        from cuda.bindings import runtime

        self._cuda = runtime
        self._stream = self._call(runtime.cudaStreamCreate())
        self._start, self._end = (self._call(runtime.cudaEventCreate()) for _ in range(2))

    def _call(self, result: tuple[Any, ...]) -> Any:
        """The results of a function, without its error code.

        Raises:
            RunnerError: If it failed.
        """
        code, *values = result
        if code != self._cuda.cudaError_t.cudaSuccess:
            raise RunnerError(f"CUDA failed with {code.name}; check the GPU and its driver with nvidia-smi")
        return values[0] if values else None

    @property
    def stream(self) -> int:
        return int(self._stream)

    def upload(self, array: NDArray[Any]) -> tuple[Any, int]:
        address = int(self._call(self._cuda.cudaMalloc(array.nbytes)))
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call(self._cuda.cudaMemcpy(address, array.ctypes.data, array.nbytes, kind))
        return _Memory(self._cuda, address, like=array), address

    def download(self, memory: Any) -> NDArray[Any]:
        array = np.empty(memory.shape, memory.dtype)
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call(self._cuda.cudaMemcpy(array.ctypes.data, memory.address, array.nbytes, kind))
        return array

    def capture(self, launch: Callable[[], None]) -> Callable[[], None]:
        cuda, stream = self._cuda, self._stream
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call(cuda.cudaStreamBeginCapture(stream, mode))
        launch()
        graph = self._call(cuda.cudaStreamEndCapture(stream))
        captured = self._call(cuda.cudaGraphInstantiate(graph, 0))
        return lambda: self._call(cuda.cudaGraphLaunch(captured, stream))

    def elapsed_s(self, launch: Callable[[], None], runs: int) -> float:
        cuda = self._cuda
        self._call(cuda.cudaEventRecord(self._start, self._stream))
        for _ in range(runs):
            launch()
        self._call(cuda.cudaEventRecord(self._end, self._stream))
        self._call(cuda.cudaEventSynchronize(self._end))
        return float(self._call(cuda.cudaEventElapsedTime(self._start, self._end))) * 1e-3

    def synchronize(self) -> None:
        self._call(self._cuda.cudaStreamSynchronize(self._stream))


class _Memory:
    """GPU memory of an array, which is freed with this object."""

    def __init__(self, cuda: Any, address: int, *, like: NDArray[Any]) -> None:
        self._cuda, self.address = cuda, address
        self.shape, self.dtype = like.shape, like.dtype

    def __del__(self) -> None:
        self._cuda.cudaFree(self.address)


class _TorchCuda(Cuda):
    def __init__(self) -> None:
        import torch

        if not torch.cuda.is_available():
            raise RunnerError("torch finds no GPU here; install its CUDA build and a driver")
        self._torch: Any = torch
        self._stream = self._torch.cuda.Stream()
        self._start, self._end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))

    @property
    def stream(self) -> int:
        return int(self._stream.cuda_stream)

    def upload(self, array: NDArray[Any]) -> tuple[Any, int]:
        tensor = self._torch.from_numpy(np.ascontiguousarray(array)).cuda()
        self._torch.cuda.synchronize()
        return tensor, int(tensor.data_ptr())

    def download(self, memory: Any) -> NDArray[Any]:
        array: NDArray[Any] = memory.cpu().numpy()
        return array

    def capture(self, launch: Callable[[], None]) -> Callable[[], None]:
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            launch()

        def replay() -> None:
            with self._torch.cuda.stream(self._stream):
                graph.replay()

        return replay

    def elapsed_s(self, launch: Callable[[], None], runs: int) -> float:
        self._start.record(self._stream)
        for _ in range(runs):
            launch()
        self._end.record(self._stream)
        self._end.synchronize()
        return float(self._start.elapsed_time(self._end)) * 1e-3

    def synchronize(self) -> None:
        self._stream.synchronize()
