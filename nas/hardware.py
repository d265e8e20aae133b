"""Target devices and their roofline bounds."""

from __future__ import annotations

import dataclasses
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, final

from nas.blocks import BlockSpec, Op
from nas.blocks.fusion import FusedOp, fused
from nas.blocks.ops import BYTES_PER_ELEMENT
from nas.errors import UserError, unknown

Option = tuple[str, str | int | float | bool]


@final
@dataclass(frozen=True, kw_only=True)
class Device:
    """A target: a machine, a runtime with its settings, and the peak rates if known.

    Attributes:
        name: A short name, e.g. ``"laptop"``, which table names include.
        machine: The processor, e.g. ``"AMD EPYC, 2 cores"``; empty means the measuring machine.
        board: The name that the board or GPU reports, e.g. ``"Raspberry Pi 4"``; empty means any.
        runtime: The inference runtime, e.g. ``"onnxruntime"``.
        runtime_version: Its version; empty means the one installed on the measuring machine.
        provider: The runtime's back end, e.g. ``"CPUExecutionProvider"``; empty if there is only one.
        provider_options: Options of the provider, sorted pairs (a mapping is accepted).
        threads: Threads of one inference.
        batch: Images of one inference. A latency is the time of one inference.
        precision: One of ``BYTES_PER_ELEMENT``.
        peak_flops: Peak FLOP/s by precision, sorted pairs (a mapping is accepted).
        bandwidth_bytes_per_s: Peak memory bandwidth in bytes per second.
        preferred_blocks: Block kinds that run well.
        channel_multiple: Channel counts should be multiples of it.
        max_width: Largest channel count that runs well.
        fused_attention: Whether one kernel runs attention, so that its scores never cross memory.
        sources: The source of each figure above, by the figure's name (a mapping is accepted).
    """

    name: str
    machine: str = ""
    board: str = ""
    runtime: str = "onnxruntime"
    runtime_version: str = ""
    provider: str = "CPUExecutionProvider"
    provider_options: tuple[Option, ...] = ()
    threads: int = 1
    batch: int = 1
    precision: str = "fp32"
    peak_flops: tuple[tuple[str, float], ...] = ()
    bandwidth_bytes_per_s: float | None = None
    preferred_blocks: tuple[str, ...] = ()
    channel_multiple: int | None = None
    max_width: int | None = None
    fused_attention: bool = True
    sources: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name in ("provider_options", "peak_flops", "sources"):
            object.__setattr__(self, name, _pairs(name, getattr(self, name)))
        object.__setattr__(self, "preferred_blocks", tuple(self.preferred_blocks))
        for name in ("threads", "batch"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(
                    f"device {self.name!r}: {name} is {value!r}; it must be a whole number of at least 1"
                )
        for precision in (self.precision, *dict(self.peak_flops)):
            if precision not in BYTES_PER_ELEMENT:
                raise unknown(f"precision of device {self.name!r}:", precision, BYTES_PER_ELEMENT)

    @property
    def latency_unit(self) -> str:
        """The unit of every latency on the device."""
        return latency_unit(self.batch)

    def to_dict(self) -> dict[str, Any]:
        """The device as JSON values, without unknown ones."""
        value = dataclasses.asdict(self)
        for name in ("provider_options", "peak_flops", "sources"):
            value[name] = dict(value[name])
        value["preferred_blocks"] = list(self.preferred_blocks)
        if not self.board:
            del value["board"]
        if self.fused_attention:
            del value["fused_attention"]
        return {name: item for name, item in value.items() if item not in (None, {}, [])}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Device:
        """The inverse of ``to_dict``.

        Raises:
            UserError: If the name is missing or a key is unknown.
        """
        if not isinstance(value, Mapping):
            raise UserError(f"a device is a mapping of settings, not {value!r:.60}; give it a name at least")
        fields = [field.name for field in dataclasses.fields(cls)]
        for key in value:
            if key not in fields:
                raise unknown("device field", key, fields)
        if "name" not in value:
            raise UserError("a device needs a name; give it one, e.g. name: laptop")
        return cls(**value)

    def here(self) -> Device:
        """The device with machine and runtime version filled in from this machine.

        Raises:
            UserError: If the device names another machine, or its runtime is not installed or has another
                version.
        """
        if self.machine not in ("", describe_machine()):
            raise self._elsewhere("machine", self.machine)
        version = installed_version(self.runtime)
        if self.runtime_version not in ("", version):
            raise UserError(
                f"device {self.name} is {self.runtime} {self.runtime_version}, but {version} is installed; "
                f"install that version, or leave runtime_version empty to measure with what is here"
            )
        return dataclasses.replace(self, machine=describe_machine(), runtime_version=version)

    @property
    def is_here(self) -> bool:
        """Whether this machine is the device."""
        return self.machine == describe_machine()

    @property
    def is_emulated(self) -> bool:
        """Whether the machine is known to be emulated: its latencies are those of the emulator."""
        from nas.runner.machine import names_emulated

        return names_emulated(self.machine)

    def require_here(self) -> None:
        """Checks that this machine may be the device.

        Raises:
            UserError: If the device names another machine or board.
        """
        if self.machine not in ("", describe_machine()):
            raise self._elsewhere("machine", self.machine)
        if self.board and not any(self.board.lower() in name.lower() for name in boards()):
            raise self._elsewhere("board", self.board)

    def _elsewhere(self, setting: str, named: str) -> UserError:
        return UserError(
            f"device {self.name} is {named}, but this is {describe_machine()}; measure there with "
            "table.host=USER@HOST or `nas kit`, estimate with table=roofline, or measure this machine under "
            f"the device's name with device.{setting}="
        )


def latency_unit(batch: int) -> str:
    """The unit of a latency: the time of one inference, which takes ``batch`` images."""
    return "ms" if batch == 1 else f"ms per batch of {batch}"


def common_unit(units: Iterable[str]) -> str:
    """The unit of a budget for several latencies; plain ``"ms"`` if their batches differ.

    Args:
        units: The units of the latencies. Empty ones, of other quantities, are ignored.
    """
    latencies = set(filter(None, units))
    return latencies.pop() if len(latencies) == 1 else "ms"


def _pairs(name: str, value: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, Mapping | Iterable) or isinstance(value, str):
        raise UserError(f"device: {name} is {value!r}; it must map names to values")
    return tuple(sorted(dict(value).items()))


_PACKAGES = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-qnn"),
    "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
}


def installed_version(runtime: str) -> str:
    """The version of an inference runtime on this machine.

    Raises:
        UserError: If there is no such runtime, or it is not installed. The message names the package.
    """
    check_runtime(runtime)
    for package in _PACKAGES.get(runtime, (runtime,)):
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    raise UserError(
        f"the runtime {runtime} is not installed here; pip install {runtime}, or choose another device"
    )


def check_runtime(runtime: str) -> None:
    """Raises a ``UserError`` for a runtime that the runner lacks, on any machine."""
    from nas.runner.runtimes import runtimes

    if runtime not in runtimes():
        hint = "With any other, latencies can be estimated: table=roofline"
        raise unknown("device.runtime to measure with", runtime, runtimes(), hint=hint)


def detect() -> dict[str, str | int]:
    """This machine's ``cpu`` (model), ``cores`` (usable ones), ``architecture`` and ``system``."""
    from nas.runner.machine import cpu_model, usable_cores

    return {
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "architecture": platform.machine(),
        "system": platform.system(),
    }


def boards() -> list[str]:
    """The names that this machine, its board and its NVIDIA GPUs report."""
    names = [describe_machine()]
    files = [Path("/proc/device-tree/model"), *Path("/proc/driver/nvidia/gpus").glob("*/information")]
    for file in (Path("/proc/cpuinfo"), *files):
        with suppress(OSError):
            text = file.read_text(encoding="utf-8", errors="replace").strip("\0")
            names += [text] if file.name == "model" else re.findall(r"^Model\s*:\s*(.+)", text, re.MULTILINE)
    with suppress(OSError, subprocess.SubprocessError):  # /proc may not list the GPUs
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        names += done.stdout.splitlines()
    return names


def describe_machine() -> str:
    """This machine in one line, e.g. ``"AMD EPYC, 2 cores, x86_64"``, as a kit's runner describes it."""
    from nas.runner import machine

    return machine.describe_machine()


def roofline_ms(
    what: BlockSpec | Iterable[BlockSpec] | Iterable[Op], *, device: Device, fuse: bool = True
) -> float:
    """A lower bound on the latency of one batch, in ms (Williams et al. 2009, section 3).

    Each operation takes the longer of computing at the peak rate and moving every tensor once at the peak
    bandwidth; operations run one after another. Elementwise ones run inside the operation before them, as
    in every runtime. The bound assumes that feature maps pass through memory between operations; a cache that
    holds them can be faster.

    Args:
        what: A block, blocks (e.g. ``network.blocks``), or operations.
        device: A device with known peaks.
        fuse: Whether elementwise operations are fused. Without it, they read and write memory too: the time
            of a runtime that fuses nothing, which is not a lower bound.

    Raises:
        UserError: If the device has no peak FLOP/s in its precision, or no bandwidth.
    """
    peak = dict(device.peak_flops).get(device.precision)
    if peak is None or device.bandwidth_bytes_per_s is None:
        raise UserError(
            f"device {device.name} has no roofline in {device.precision}; give it peak_flops: "
            f"{{{device.precision}: …}} and bandwidth_bytes_per_s, each with its source"
        )
    ops = [op for part in _parts(what) for op in (fused(part) if fuse else part)]
    return sum(_op_ms(op, device, peak, device.bandwidth_bytes_per_s) for op in ops)


def scratch_bytes(op: Op | FusedOp, *, device: Device) -> int:
    """Bytes of an operation's intermediate values for one batch, if each is in memory.

    The scores of attention are written, read and written by the softmax, and read again.
    """
    return 4 * op.scratch_elements * device.batch * BYTES_PER_ELEMENT[device.precision]


def _parts(what: BlockSpec | Iterable[BlockSpec] | Iterable[Op]) -> list[tuple[Op, ...]]:
    """Groups of operations that may be fused: those of a block, so that blocks add up to a network."""
    if isinstance(what, BlockSpec):
        return [what.ops]
    items = tuple(what)
    blocks = [item.ops for item in items if isinstance(item, BlockSpec)]
    return blocks or [tuple(item for item in items if isinstance(item, Op))]


def _op_ms(op: Op | FusedOp, device: Device, peak: float, bandwidth: float) -> float:
    moved = op.bytes_moved(device.precision, batch=device.batch)
    if not device.fused_attention:
        moved += scratch_bytes(op, device=device)
    return 1e3 * max(device.batch * op.flops / peak, moved / bandwidth)
