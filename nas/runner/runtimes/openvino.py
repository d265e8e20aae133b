"""OpenVINO: processors, GPUs and NPUs; the provider is OpenVINO's name of one of them, e.g. ``CPU``."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunnerError
from ..machine import free_memory
from ..protocol import Model
from . import Runtime

PRECISIONS = ("fp32", "fp16", "bf16", "int8")

_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}
"""The precision of operations with float operands. An INT8 model's types determine the others."""

_PROFILED_RUNS = 10

_open: list[set[Any]] = []
"""The open requests, which keep their models, in a process that does nothing else."""


def takes_turns(device: dict[str, Any]) -> bool:
    """On a CPU."""
    return bool(device["provider"].split(".")[0] == "CPU")


def needs_process(device: dict[str, Any]) -> bool:
    """On a CPU, where closing thousands of models takes minutes, but a process just ends."""
    return takes_turns(device)


def claim_process(device: dict[str, Any]) -> None:
    """Keeps open models to the end of this process.

    The library returns all free memory to the system whenever a model is closed. With some thousand open
    models, this takes 0.2 s for each.
    """
    _open.append(set())


def open_device(device: dict[str, Any]) -> Runtime:
    """OpenVINO with the provider, options, threads and precision of ``device``.

    Raises:
        RunnerError: If OpenVINO is not installed, or finds no such device.
    """
    openvino = load_library()
    core, provider = openvino.Core(), device["provider"]
    if provider.split(".")[0] not in {name.split(".")[0] for name in core.available_devices}:
        raise RunnerError(
            f"openvino finds no device {provider!r}; device.provider may be "
            f"{', '.join(core.available_devices)}"
        )
    return _OpenVino(openvino, core, device)


def load_library() -> Any:
    """The package ``openvino``, which sends no usage data and writes nothing into the home folder.

    Raises:
        RunnerError: If it is not installed.
    """
    # OpenVINO's import sends usage data from a thread that disturbs measurements, if it can import this.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise RunnerError("openvino is not installed here; pip install openvino") from None
    return openvino


class _OpenVino(Runtime):
    def __init__(self, library: Any, core: Any, device: dict[str, Any]) -> None:
        self._library, self._core, self._device = library, core, device
        self._free_bytes = free_memory()

    @property
    def version(self) -> str:
        return str(self._library.__version__).split("-")[0]

    @property
    def open_at_once(self) -> int:
        """Models have some megabytes each, and their own threads, which sleep without work.

        A table of more blocks opens models again in each round, which takes longer than timing them.
        """
        return 1000 if self._free_bytes is None else super().open_at_once

    def has_room(self) -> bool:
        """Whether half of the memory that was free in the beginning still is."""
        free = free_memory()
        return self._free_bytes is None or free is None or 2 * free > self._free_bytes

    @property
    def leaves_open(self) -> bool:
        return bool(_open)

    def open(self, path: Path) -> Model:
        return _OpenVinoModel(self._library, self._compile(path), batch=self._device["batch"])

    def profile(self, path: Path) -> list[tuple[str, float]]:
        compiled = self._compile(path, profiling=True)
        model = _OpenVinoModel(self._library, compiled, batch=self._device["batch"])
        model.time(_PROFILED_RUNS)
        return [
            (f"{node.node_type} {node.exec_type} {node.node_name}", node.real_time.total_seconds() * 1e6)
            for node in model.request.get_profiling_info()
            if str(node.status).endswith("EXECUTED")
        ]

    def _compile(self, path: Path, *, profiling: bool = False) -> Any:
        hint = _HINTS[self._device["precision"]]
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self._device["threads"],
            "INFERENCE_PRECISION_HINT": hint,
            "PERF_COUNT": profiling,
            **self._device.get("provider_options", {}),
        }
        try:
            compiled = self._core.compile_model(str(path), self._device["provider"], settings)
        except Exception as error:  # noqa: BLE001 - the library raises RuntimeError and types of its own
            raise RunnerError(f"openvino cannot run {path} with {settings}: {error}") from None
        self._check(compiled, hint, path)
        return compiled

    def _check(self, compiled: Any, hint: str, path: Path) -> None:
        """Checks that the model runs on the configured device in the configured precision."""
        devices, provider = compiled.get_property("EXECUTION_DEVICES"), self._device["provider"]
        if [name.split(".")[0] for name in devices] != [provider.split(".")[0]]:
            raise RunnerError(f"openvino runs {path} on {devices}, not on {provider}; choose another device")
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if precision != hint:
            raise RunnerError(
                f"openvino computes {path} in {precision}, not in {hint}, on this machine; "
                "choose another device.precision"
            )


class _OpenVinoModel(Model):
    def __init__(self, library: Any, compiled: Any, *, batch: int) -> None:
        self.request = compiled.create_infer_request()
        for requests in _open:
            requests.add(self.request)
        rng = np.random.default_rng(0)
        for i, value in enumerate(compiled.inputs):
            sizes = [size.get_length() if size.is_static else batch for size in value.get_partial_shape()]
            array = rng.standard_normal(sizes).astype(value.get_element_type().to_dtype())
            self.request.set_input_tensor(i, library.Tensor(array))
        self.request.infer(share_outputs=True)

    def time(self, runs: int) -> float:
        infer = self.request.infer
        collecting = gc.isenabled()
        gc.disable()
        try:
            start = time.perf_counter()
            for _ in range(runs):
                infer(share_outputs=True)
            return time.perf_counter() - start
        finally:
            if collecting:
                gc.enable()

    def close(self) -> None:
        for requests in _open:
            requests.discard(self.request)
