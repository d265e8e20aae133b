"""ONNX Runtime."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunnerError
from ..protocol import Model
from . import Runtime

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}


def open_device(device: dict[str, Any]) -> Runtime:
    """ONNX Runtime with the provider, options and threads of ``device``.

    Raises:
        RunnerError: If ONNX Runtime is not installed, or its build lacks the provider.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise RunnerError("onnxruntime is not installed here; pip install onnxruntime") from None
    available = onnxruntime.get_available_providers()
    provider = device["provider"]
    if provider not in available:
        raise RunnerError(
            f"this onnxruntime has no provider {provider!r}; it has {', '.join(available)}. "
            "Install a build that has it (e.g. onnxruntime-gpu), or choose another device"
        )
    return _OnnxRuntime(onnxruntime, device)


class _OnnxRuntime(Runtime):
    def __init__(self, library: Any, device: dict[str, Any]) -> None:
        self._library, self._device = library, device
        library.set_default_logger_severity(3)

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    @property
    def open_at_once(self) -> int:
        """One where a session has threads of its own: they spin, and would disturb each other."""
        return 4000 if self._device["threads"] == 1 else 1

    def open(self, path: Path) -> Model:
        provider = self._device["provider"]
        options = {name: str(value) for name, value in self._device.get("provider_options", {}).items()}
        try:
            session = self._library.InferenceSession(
                str(path), self._session_options(), providers=[(provider, options)], enable_fallback=False
            )
        except Exception as error:  # noqa: BLE001 - the library's own types have no common base
            raise RunnerError(f"onnxruntime cannot run {path} with {provider} {options}: {error}") from None
        if session.get_providers()[0] != provider:
            raise RunnerError(
                f"onnxruntime fell back from {provider} to {session.get_providers()[0]} for {path}; "
                "install what the provider needs, or choose another device"
            )
        return _OnnxModel(self._library, session, batch=self._device["batch"])

    def _session_options(self) -> Any:
        options = self._library.SessionOptions()
        options.intra_op_num_threads = self._device["threads"]
        options.inter_op_num_threads = 1
        if self._device["provider"] != "CPUExecutionProvider":
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        return options


class _OnnxModel(Model):
    def __init__(self, library: Any, session: Any, *, batch: int) -> None:
        self._session = session
        self._binding = session.io_binding()
        rng = np.random.default_rng(0)
        for value in session.get_inputs():
            sizes = [size if isinstance(size, int) else batch for size in value.shape]
            array = rng.standard_normal(sizes).astype(_TYPES[value.type])
            self._binding.bind_ortvalue_input(value.name, library.OrtValue.ortvalue_from_numpy(array))
        self._bind_outputs()

    def _bind_outputs(self) -> None:
        """Runs once and keeps the outputs' buffers, so that later runs allocate none."""
        outputs = self._session.get_outputs()
        for value in outputs:
            self._binding.bind_output(value.name, "cpu")
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
            return time.perf_counter() - start
        finally:
            if collecting:
                gc.enable()
