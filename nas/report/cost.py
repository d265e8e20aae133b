"""The cost of a network by block, and its bottleneck on a device: the logic of ``nas cost``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import final

from nas.blocks import BlockSpec, Shape
from nas.blocks.fusion import FusedOp, fused
from nas.errors import UserError
from nas.hardware import Device, roofline_ms, scratch_bytes
from nas.network import NetworkSpec, Place, read_network, reference_names, reference_network
from nas.network.memory import peak_activation_bytes


@final
@dataclass(frozen=True, kw_only=True)
class OpCost:
    """The cost of one operation on a batch, including the elementwise operations fused into it.

    Attributes:
        op: The operation.
        flops: Twice the multiply-accumulates; 0 for operations that the cost model does not count, e.g. a
            pool.
        bytes: Bytes read and written if every tensor between operations crosses memory once.
        estimated_ms: Roofline bound; ``None`` if the device's peaks are unknown.
        memory_bound: Whether memory takes longer than computation; ``None`` if the peaks are unknown.
        scratch_bytes: Bytes that move in addition if intermediate values, the scores of attention, are in
            memory.
    """

    op: FusedOp
    flops: int
    bytes: int
    scratch_bytes: int
    estimated_ms: float | None
    memory_bound: bool | None

    @property
    def intensity(self) -> float:
        """FLOP per byte; 0 for an operation that moves no bytes."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def materialised_intensity(self) -> float:
        """FLOP per byte with intermediate values in memory."""
        return self.flops / (self.bytes + self.scratch_bytes) if self.bytes else 0.0


@final
@dataclass(frozen=True, kw_only=True)
class BlockCost:
    """The cost of one block, with its operations."""

    place: Place
    block: BlockSpec
    ops: tuple[OpCost, ...]

    @property
    def flops(self) -> int:
        return sum(op.flops for op in self.ops)

    @property
    def bytes(self) -> int:
        return sum(op.bytes for op in self.ops)

    @property
    def intensity(self) -> float:
        """FLOP per byte; 0 for a block that moves no bytes."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def estimated_ms(self) -> float | None:
        return _total(op.estimated_ms for op in self.ops)

    @property
    def memory_share(self) -> float | None:
        """Share of the estimated time in memory-bound operations."""
        total = self.estimated_ms
        if total is None:
            return None
        return sum(op.estimated_ms or 0 for op in self.ops if op.memory_bound) / total if total else 0.0


@final
@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """The cost of a network on a device."""

    name: str
    network: NetworkSpec
    device: Device
    blocks: tuple[BlockCost, ...]

    @property
    def estimated_ms(self) -> float | None:
        """Roofline bound of one batch; a real device takes longer."""
        return _total(block.estimated_ms for block in self.blocks)

    @property
    def unfused_ms(self) -> float | None:
        """The bound if elementwise operations read and write memory too."""
        return roofline_ms(self.network.blocks, device=self.device, fuse=False) if self.ridge else None

    @property
    def bytes(self) -> int:
        """Bytes moved for one batch, with fused elementwise operations."""
        return sum(block.bytes for block in self.blocks)

    @property
    def unfused_bytes(self) -> int:
        """Bytes moved for one batch if elementwise operations read and write memory too."""
        return self.network.bytes_moved(self.device.precision, batch=self.device.batch)

    @property
    def attention_ms(self) -> tuple[float, float]:
        """The bound with one kernel for each attention, and with its scores in memory."""
        fused, materialised = (
            roofline_ms(self.network.blocks, device=replace(self.device, fused_attention=whole))
            for whole in (True, False)
        )
        return fused, materialised

    @property
    def scratch_bytes(self) -> int:
        """Bytes that move in addition, for one batch, if the scores of attention are in memory."""
        return sum(op.scratch_bytes for op in self.ops)

    @cached_property
    def ops(self) -> tuple[OpCost, ...]:
        return tuple(op for block in self.blocks for op in block.ops)

    @property
    def ridge(self) -> float | None:
        """The intensity in FLOP per byte above which the device is compute-bound."""
        return ridge(self.device)

    @property
    def slowest_kinds(self) -> tuple[tuple[str, float], ...]:
        """Shares of the estimated time by kind of operation, largest first."""
        total, shares = self.estimated_ms or 0.0, dict.fromkeys((op.op.name for op in self.ops), 0.0)
        for op in self.ops:
            shares[op.op.name] += (op.estimated_ms or 0.0) / total if total else 0.0
        return tuple(sorted(shares.items(), key=lambda item: -item[1]))


def _total(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def has_roofline(device: Device) -> bool:
    """Returns whether the device's peaks are known in its precision."""
    return device.precision in dict(device.peak_flops) and device.bandwidth_bytes_per_s is not None


def ridge(device: Device) -> float | None:
    """Returns peak FLOP/s divided by peak bytes/s; ``None`` if the peaks are unknown."""
    if not has_roofline(device):
        return None
    assert device.bandwidth_bytes_per_s is not None
    return dict(device.peak_flops)[device.precision] / device.bandwidth_bytes_per_s


def find_network(
    name: str,
    *,
    resolution: int | None = None,
    width: float = 1.0,
    classes: int = 1000,
    input_channels: int = 3,
) -> NetworkSpec:
    """Returns a reference network by name, or reads a network from a JSON file.

    Only reference networks use the other arguments.

    Args:
        name: A reference network, or the path of a JSON file with a network, possibly under the key
            ``network``, as in a run's ``winner.json``.
        resolution: Height and width of the input.
        width: Width multiplier.
        classes: Number of classes.
        input_channels: Channels of the image.

    Raises:
        UserError: If the network or the file does not exist, or the file holds no network.
    """
    if not name.endswith(".json"):
        return reference_network(
            name, resolution=resolution, width=width, classes=classes, input_channels=input_channels
        )
    path = Path(name)
    if not path.is_file():
        raise UserError(
            f"network file {name} does not exist; give an existing file, or one of "
            + ", ".join(reference_names())
        )
    return read_network(path)


def network_cost(network: NetworkSpec, *, name: str, device: Device) -> NetworkCost:
    """Computes the cost of each operation on one batch."""
    blocks = tuple(
        BlockCost(place=place, block=block, ops=tuple(_op_cost(op, device) for op in fused(block.ops)))
        for place, block in network.placed_blocks
    )
    return NetworkCost(name=name, network=network, device=device, blocks=blocks)


def _op_cost(op: FusedOp, device: Device) -> OpCost:
    flops, moved = device.batch * op.flops, op.bytes_moved(device.precision, batch=device.batch)
    knee = ridge(device)
    return OpCost(
        op=op,
        flops=flops,
        bytes=moved,
        estimated_ms=None if knee is None else roofline_ms(op.ops, device=device),
        memory_bound=None if knee is None else flops < knee * moved,
        scratch_bytes=scratch_bytes(op, device=device),
    )


HEADINGS: tuple[tuple[str, str], ...] = (
    ("block", ""),
    ("kind", ""),
    ("output", ""),
    ("params", "thousand"),
    ("MACs", "million"),
    ("moved", "MB"),
    ("intensity", "FLOP/byte"),
    ("time, estimated", "µs"),
    ("share", "%"),
    ("bound by", ""),
)


def rows(cost: NetworkCost) -> list[tuple[str, ...]]:
    """Returns the table of blocks as text, in the order of ``HEADINGS``; the last row holds the totals."""
    lines = [
        (
            str(block.place),
            block.block.KIND.replace("_", " "),
            _shape(block.block.out_shape),
            *_figures(
                cost, block.block.params, block.block.macs, block.bytes, block.flops, block.estimated_ms
            ),
            _bound(block.memory_share),
        )
        for block in cost.blocks
    ]
    flops = sum(block.flops for block in cost.blocks)
    total = _figures(cost, cost.network.params, cost.network.macs, cost.bytes, flops, cost.estimated_ms)
    time = cost.estimated_ms
    in_memory = sum(op.estimated_ms or 0.0 for op in cost.ops if op.memory_bound)
    share = in_memory / time if time else None
    return [*lines, ("total", "", "", *total, _bound(share))]


def _shape(shape: Shape) -> str:
    return f"{shape.channels}×{shape.height}×{shape.width}"


def _figures(
    cost: NetworkCost, params: int, macs: int, moved: int, flops: int, time_ms: float | None
) -> tuple[str, ...]:
    total = cost.estimated_ms
    return (
        f"{params / 1e3:,.1f}",
        f"{macs / 1e6:,.2f}",
        f"{moved / 1e6:,.2f}",
        f"{flops / moved if moved else 0:,.1f}",
        "–" if time_ms is None else f"{1e3 * time_ms:,.1f}",
        "–" if time_ms is None or not total else f"{100 * time_ms / total:.1f}",
    )


def _bound(memory_share: float | None) -> str:
    if memory_share is None:
        return "–"
    if 0.05 < memory_share < 0.95:
        return f"memory {100 * memory_share:.0f} %"
    return "memory" if memory_share >= 0.95 else "compute"


def summary(cost: NetworkCost) -> list[str]:
    """Summarises the cost in sentences."""
    device, network = cost.device, cost.network
    lines = [
        (
            f"{cost.name} at {network.resolution}×{network.resolution}: {network.params:,} parameters, "
            f"{network.macs:,} MACs ({2 * network.macs:,} FLOPs) per image."
        )
    ]
    if device.batch > 1:
        lines.append(f"Bytes and times are those of a batch of {device.batch} images, MACs those of one.")
    if cost.estimated_ms is None:
        return [
            *lines,
            (
                f"The peaks of {device.name} in {device.precision} are unknown: no roofline. Give it "
                "peak_flops and bandwidth_bytes_per_s, or choose another device."
            ),
        ]
    assert cost.ridge is not None
    memory = sum(op.estimated_ms or 0.0 for op in cost.ops if op.memory_bound) / cost.estimated_ms
    parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in cost.slowest_kinds[:4])
    return [
        *lines,
        (
            f"On {device.name} ({device.precision}, batch {device.batch}): at least {_time(cost)}, "
            f"estimated by roofline, not measured; {100 * memory:.0f} % of it "
            f"bound by memory. Operations below {cost.ridge:.1f} FLOP per byte are memory-bound."
        ),
        (
            f"Moved: {cost.bytes / 1e6:,.2f} MB with elementwise operations fused; "
            f"{cost.unfused_bytes / 1e6:,.2f} MB in {cost.unfused_ms:.3f} ms unfused."
        ),
        *_attention(cost),
        f"Estimated time by operation: {parts}.",
    ]


def _attention(cost: NetworkCost) -> list[str]:
    """Both traffics of attention, if the network has any: fused, and with all scores in memory."""
    if not cost.scratch_bytes:
        return []
    fused_ms, materialised_ms = cost.attention_ms
    moved, all_moved = (f"{value / 1e6:,.2f} MB" for value in (cost.bytes, cost.bytes + cost.scratch_bytes))
    precision = cost.device.precision
    fused_peak, peak = (
        f"{peak_activation_bytes(cost.network, precision, fused=fused) / 1e6:,.2f} MB"
        for fused in (True, False)
    )
    text = (
        f"Attention by one kernel: {moved} in {fused_ms:.3f} ms, feature maps of {fused_peak} per image at "
        f"the peak; with its scores in memory: {all_moved} in {materialised_ms:.3f} ms, {peak}."
    )
    return [text]


def _time(cost: NetworkCost) -> str:
    """Formats the bound, and the time per image for a batch above 1."""
    assert cost.estimated_ms is not None
    device, text = cost.device, f"{cost.estimated_ms:.3f} {cost.device.latency_unit}"
    return text if device.batch == 1 else f"{text}, {cost.estimated_ms / device.batch:.3f} ms per image"


def text_table(cost: NetworkCost) -> str:
    """Formats the table of blocks with aligned columns, for a terminal."""
    head = tuple(f"{name} ({unit})" if unit else name for name, unit in HEADINGS)
    lines = [head, *rows(cost)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def align(line: tuple[str, ...]) -> str:
        cells = [
            c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join(align(line) for line in lines)
