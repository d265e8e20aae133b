"""What blocks cost, by device: numbers that a page adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from nas.blocks import BlockSpec
from nas.blocks.fusion import fused
from nas.blocks.ops import BYTES_PER_ELEMENT
from nas.hardware import Device
from nas.latency import LatencyTable
from nas.network.memory import block_activation_bytes, block_weight_bytes
from nas.report.cost import has_roofline, ridge

_DIGITS = 9


@final
@dataclass(frozen=True)
class Target:
    """A device on which the explorer shows latencies.

    Attributes:
        table: Its latency table, or the estimates of its roofline.
        estimated: Whether the latencies are estimates.
        named: The name to use for it in ``nas`` commands: ``device=NAME`` or ``table=NAME``.
    """

    table: LatencyTable
    estimated: bool
    named: str

    @property
    def device(self) -> Device:
        return self.table.device


def block_costs(blocks: Sequence[BlockSpec]) -> dict[str, list[int]]:
    """Returns MACs, parameters and, as bytes in FP32, weights and the peak of the feature maps by block."""
    return {
        "macs": [block.macs for block in blocks],
        "params": [block.params for block in blocks],
        "weights": [block_weight_bytes(block, "fp32") for block in blocks],
        "activations": [block_activation_bytes(block, "fp32") for block in blocks],
    }


def target_costs(target: Target, blocks: Sequence[BlockSpec]) -> dict[str, Any]:
    """Returns a device with the ms that each block adds to a network, and the bytes that it moves.

    The ms hold the table's correction. A block that the table lacks has ``None``.
    """
    table, device = target.table, target.device
    known = [block for block in blocks if not table.model.missing([block])]
    parts = table.model.parts(known)
    assert parts is not None, "a table of whole networks knows no block"
    ms = dict(zip(known, parts, strict=True))
    error = None if table.accuracy is None else table.accuracy.table.mape
    knee = ridge(device)
    return {
        "name": device.name if target.estimated else table.name,
        "about": _about(target),
        "command": target.named,
        "unit": device.latency_unit,
        "batch": device.batch,
        "precision": device.precision,
        "estimated": target.estimated,
        "error": error,
        "constant": table.predict_blocks(()),
        "ms": [None if block not in ms else _rounded(ms[block]) for block in blocks],
        "share": BYTES_PER_ELEMENT[device.precision] / BYTES_PER_ELEMENT["fp32"],
        "ridge": knee,
        "peak": dict(device.peak_flops)[device.precision] if has_roofline(device) else None,
        "moved": [_moved(block, device) for block in blocks] if knee is not None else [],
    }


def _rounded(value: float) -> float:
    """Nine significant digits: sums stay exact to 1e-8, and the page smaller."""
    return float(f"{value:.{_DIGITS}g}")


def _moved(block: BlockSpec, device: Device) -> int:
    return sum(op.bytes_moved(device.precision, batch=device.batch) for op in fused(block.ops))


def _about(target: Target) -> str:
    device = target.device
    where = " ".join(filter(None, [device.machine or device.name, device.runtime, device.runtime_version]))
    how = "estimated by roofline" if target.estimated else "measured table"
    threads = f"{device.threads} thread{'s' if device.threads > 1 else ''}"
    return f"{where}, {device.precision}, batch {device.batch}, {threads}; {how}"
