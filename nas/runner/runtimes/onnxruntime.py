"""ONNX Runtime: CPU, CUDA, TensorRT, OpenVINO, CoreML, NNAPI, QNN, XNNPACK, …, by the device's provider."""

from __future__ import annotations

import gc
import json
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunnerError
from ..protocol import Model
from . import Runtime

PRECISIONS = ("fp32", "tf32", "fp16", "int8")

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
_CPU, _CUDA, _TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    (_CUDA, "fp32"): {"use_tf32": 0},  # on by default
    (_CUDA, "tf32"): {"use_tf32": 1},
    (_TENSORRT, "fp16"): {"trt_fp16_enable": 1},
    (_TENSORRT, "int8"): {"trt_int8_enable": 1},
}
"""Options of providers for a precision."""

_OVERRIDE = "NVIDIA_TF32_OVERRIDE"
_PROFILED_RUNS = 10
_shared: list[int] = []
"""The number of threads shared by all sessions of this process; empty if each has its own."""


def takes_turns(device: dict[str, Any]) -> bool:
    """On a CPU, with several threads only if sessions share them."""
    return bool(device["provider"] == _CPU)


def needs_process(device: dict[str, Any]) -> bool:
    """With several threads of a CPU, since sharing them is a decision for the whole process."""
    return bool(device["provider"] == _CPU and device["threads"] > 1)


def claim_process(device: dict[str, Any]) -> None:
    """Lets all sessions of this process share their threads, if the library is new enough.

    A session's own threads spin for a while after each run and would disturb other sessions.
    """
    try:
        from onnxruntime import set_global_thread_pool_sizes  # type: ignore[import-untyped,unused-ignore]
    except ImportError:  # open_device reports it
        return
    if needs_process(device) and not _shared:
        set_global_thread_pool_sizes(device["threads"], 1)
        _shared.append(device["threads"])


def open_device(device: dict[str, Any]) -> Runtime:
    """ONNX Runtime with the provider, options and threads of ``device``.

    Raises:
        RunnerError: If ONNX Runtime is not installed, or its build lacks the provider.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise RunnerError("onnxruntime is not installed here; pip install onnxruntime") from None
    provider = device["provider"]
    if device["precision"] == "tf32" and provider != _CUDA:
        raise RunnerError(f"onnxruntime has tf32 with {_CUDA} only; choose device.provider={_CUDA}, or fp32")
    if device["precision"] == "int8" and provider == _CUDA:
        raise RunnerError(
            f"onnxruntime's {_CUDA} has no convolutions in int8 and would compute them in float; choose "
            f"device.provider={_TENSORRT}, or device.runtime=tensorrt"
        )
    if device["precision"] == "fp32" and provider == _TENSORRT and os.environ.get(_OVERRIDE) != "0":
        raise RunnerError(
            f"onnxruntime's {_TENSORRT} computes fp32 in tf32; set {_OVERRIDE}=0, or choose "
            "device.runtime=tensorrt"
        )
    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise RunnerError(
            f"this onnxruntime has no provider {provider!r}; it has {', '.join(available)}. "
            "Install a build that has it (e.g. onnxruntime-gpu), or choose another device"
        )
    return _OnnxRuntime(onnxruntime, device)


class _OnnxRuntime(Runtime):
    def __init__(self, library: Any, device: dict[str, Any]) -> None:
        self._library, self._device = library, device
        self._placement_is_known = False
        library.set_default_logger_severity(3)

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    @property
    def open_at_once(self) -> int:
        """One if sessions have their own threads, which spin and would disturb each other."""
        return 4000 if self._device["threads"] in (1, *_shared) else 1

    def open(self, path: Path) -> Model:
        if not self._placement_is_known or self._device["precision"] == "fp16":
            self._check_placement(path)
            self._placement_is_known = True
        return self._model(self._session(path, self._options()))

    def _model(self, session: Any) -> _OnnxModel:
        place = "cuda" if self._device["provider"] in (_CUDA, _TENSORRT) else "cpu"
        return _OnnxModel(self._library, session, batch=self._device["batch"], place=place)

    def profile(self, path: Path) -> list[tuple[str, float]]:
        took: dict[str, float] = defaultdict(float)
        for event in self._events(path, runs=_PROFILED_RUNS):
            name = event["name"].rsplit("_kernel_time", 1)[0]
            took[f"{event['args']['op_name']} {name}"] += event["dur"]
        return [(name, us / _PROFILED_RUNS) for name, us in took.items()]

    def _check_placement(self, path: Path) -> None:
        """Checks where the operators of a model run. The first model of a kit represents all.

        Sessions refuse to fall back to the CPU, but only a profile shows the provider of an operator, and
        providers that compute FP16 by casting to FP32. Some cast only for some operators, so every FP16 model
        is checked.
        """
        provider = self._device["provider"]
        for event in self._events(path, runs=1):
            ran_on, operator = event["args"].get("provider", provider), event["args"]["op_name"]
            if ran_on != provider:
                raise RunnerError(
                    f"onnxruntime runs {operator} of {path} on {ran_on}, not on {provider}; "
                    "install what the provider needs, or choose another device"
                )
            if operator == "Cast" and self._device["precision"] == "fp16":
                raise RunnerError(
                    f"onnxruntime's {provider} computes fp16 in fp32 on this machine; "
                    "choose device.precision=fp32, or another device"
                )

    def _events(self, path: Path, *, runs: int) -> list[dict[str, Any]]:
        """The profiler's events, one for each operator and run after a warm-up run."""
        options = self._options()
        options.enable_profiling = True
        with tempfile.TemporaryDirectory() as folder:
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = self._session(path, options)
            self._model(session).time(runs)
            events = _read_profile(Path(session.end_profiling()))
        nodes = [event for event in events if event.get("cat") == "Node" and "kernel_time" in event["name"]]
        return nodes[len(nodes) // (runs + 1) :]

    def _session(self, path: Path, options: Any) -> Any:
        provider = self._device["provider"]
        provider_options = _SETTINGS.get((provider, self._device["precision"]), {}) | self._device.get(
            "provider_options", {}
        )
        settings = {name: str(value) for name, value in provider_options.items()}
        try:
            session = self._library.InferenceSession(
                str(path), options, providers=[(provider, settings)], enable_fallback=False
            )
        except Exception as error:  # noqa: BLE001 - the library's own types have no common base
            raise RunnerError(f"onnxruntime cannot run {path} with {provider} {settings}: {error}") from None
        if session.get_providers()[0] != provider:
            raise RunnerError(
                f"onnxruntime fell back from {provider} to {session.get_providers()[0]} for {path}; "
                "install what the provider needs, or choose another device"
            )
        return session

    def _options(self) -> Any:
        options = self._library.SessionOptions()
        if _shared:
            options.use_per_session_threads = False
        else:
            options.intra_op_num_threads = self._device["threads"]
            options.inter_op_num_threads = 1
        if self._device["provider"] != _CPU:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        return options


def _read_profile(path: Path) -> list[dict[str, Any]]:
    """The events of a profile, which ONNX Runtime cuts off without an error if the disk is full."""
    try:
        return list(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        raise RunnerError(
            f"onnxruntime's profile in {path.parent.parent} is cut off; make room there, or set TMPDIR to "
            "another folder"
        ) from None


class _OnnxModel(Model):
    """A session with inputs and outputs on its device: on a GPU, nothing is copied to or from the host."""

    def __init__(self, library: Any, session: Any, *, batch: int, place: str) -> None:
        self._session, self._place = session, place
        self._binding = session.io_binding()
        self._inputs = []  # the library reads these arrays in place without owning them
        rng = np.random.default_rng(0)
        for value in session.get_inputs():
            sizes = [size if isinstance(size, int) else batch for size in value.shape]
            array = rng.standard_normal(sizes).astype(_TYPES[value.type])
            self._inputs.append(library.OrtValue.ortvalue_from_numpy(array, place))
            self._binding.bind_ortvalue_input(value.name, self._inputs[-1])
        self._bind_outputs()

    def _bind_outputs(self) -> None:
        """Runs once and binds the outputs' buffers, so that later runs allocate none."""
        outputs = self._session.get_outputs()
        for value in outputs:
            self._binding.bind_output(value.name, self._place)
        self._session.run_with_iobinding(self._binding)
        for value, buffer in zip(outputs, self._binding.get_outputs()):  # noqa: B905 - strict= needs Python 3.10
            self._binding.bind_ortvalue_output(value.name, buffer)

    def time(self, runs: int) -> float:
        run, binding = self._session.run_with_iobinding, self._binding
        collecting = gc.isenabled()
        gc.disable()
        try:
            start = time.perf_counter()
            for _ in range(runs):
                run(binding)
            binding.synchronize_outputs()
            return time.perf_counter() - start
        finally:
            if collecting:
                gc.enable()
