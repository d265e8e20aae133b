"""Measuring the blocks that a table lacks, on the table's machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

from nas.blocks import BlockSpec, parse_key
from nas.errors import UserError
from nas.hardware import Device, describe_machine
from nas.latency.costs.from_samples import costs, derive, entry_latencies, probe_records, references
from nas.latency.costs.intervals import slowdown_of, slower_in_words
from nas.latency.costs.windows import disturbance
from nas.latency.kit.kit import write_kit
from nas.latency.models.blocks import BlockCost
from nas.latency.plan.probes import Probe, plan_probes
from nas.latency.table import LatencyTable
from nas.latency.targets.run_kit import SAMPLES, Report, run_kit, silent
from nas.runner.protocol import Protocol


def extend_table(
    table: LatencyTable,
    blocks: Iterable[BlockSpec],
    *,
    input_channels: int,
    folder: Path,
    budget_s: float = 60.0,
    seed: int = 0,
    progress: Report = silent,
) -> LatencyTable:
    """Measures the ``blocks`` that the table lacks, on this machine.

    The ratio of the reference networks scales new costs to the machine's speed at the time of the table, and
    a table that was extended while they were slower is marked as disturbed.

    Args:
        table: The table, measured on this machine with this runtime.
        blocks: The blocks that the result has to contain.
        input_channels: Channels of the networks' input.
        folder: Folder of the kit and the raw samples.
        budget_s: Seconds of measuring.
        seed: Seed of the weights and the order of measuring.
        progress: Called with the progress of the measurement.

    Raises:
        UserError: If the table belongs to another machine or runtime version.
    """
    missing = table.model.missing(blocks)
    if not missing:
        return table
    device = _same_machine(table.device)
    probes = plan_probes(missing, input_channels=input_channels)
    turns = int(table.protocol.get("turns", 1))
    partners = plan_probes(_some_known(table, turns), input_channels=input_channels) if turns > 1 else ()
    protocol = Protocol(budget_s=budget_s, seed=seed, turns=turns)
    kit = write_kit(
        folder / "kit", device=device, probes=_distinct(probes, partners), protocol=protocol, seed=seed
    )
    _, windows = run_kit(kit, folder / SAMPLES, progress=progress)
    measured = entry_latencies(kit.manifest, windows)
    slowdown = _slowdown(references(measured), table.references_ms)
    scaled = {
        key: BlockCost(cost.ms / slowdown, (cost.error_ms or 0.0) / slowdown)
        for key, cost in costs(derive(probes, measured)).items()
    }
    extended = table.with_blocks(scaled, probes=probe_records(probes, measured))
    slower = slower_in_words(slowdown, than="their latency in the table")
    return extended.marked(disturbance(windows)).marked(slower)


def _some_known(table: LatencyTable, count: int) -> list[BlockSpec]:
    """Blocks spread over the table, with which missing ones take turns, as in a network."""
    keys = sorted(table.costs)
    return [parse_key(key) for key in keys[:: max(len(keys) // count, 1)][:count]]


def _distinct(probes: Iterable[Probe], others: Iterable[Probe]) -> list[Probe]:
    return list({probe.id: probe for probe in (*others, *probes)}.values())


def _same_machine(device: Device) -> Device:
    if not device.is_here:
        raise UserError(
            f"the table was measured on {device.machine}, this is {describe_machine()}; "
            "measure the missing blocks there, or measure a new table here"
        )
    return device.here()


def _slowdown(now_ms: Mapping[str, float], then_ms: Mapping[str, float]) -> float:
    """The reference networks' latency / their earlier one; that of all references without networks."""
    ratio = slowdown_of(now_ms, then_ms)
    ratios = [now_ms[name] / then_ms[name] for name in now_ms if name in then_ms]
    return ratio or (statistics.geometric_mean(ratios) if ratios else 1.0)
