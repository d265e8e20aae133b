"""Measuring a table: write the kit of a plan, run it here or on another device, compute costs."""

from __future__ import annotations

from pathlib import Path

from nas.hardware import Device
from nas.latency.costs.from_samples import table_from_samples
from nas.latency.kit.kit import Kit, write_kit
from nas.latency.measure.usual_speed import compared
from nas.latency.plan.plan import Plan
from nas.latency.table import LatencyTable
from nas.latency.targets import Target
from nas.latency.targets.run_kit import SAMPLES, Report, run_kit, silent


def write_plan(plan: Plan, folder: Path, *, device: Device) -> Kit:
    """Writes the kit of a plan.

    Args:
        plan: The plan.
        folder: Folder of the kit.
        device: The device. The measurement fills in its machine and version if they are empty.
    """
    return write_kit(
        folder,
        device=device,
        probes=plan.probes,
        networks=plan.networks,
        protocol=plan.protocol,
        table={"name": f"{plan.space}-{device.name}", "space": plan.space},
        seed=plan.protocol.seed,
    )


def measure_plan(
    plan: Plan,
    *,
    device: Device,
    folder: Path,
    target: Target | None = None,
    progress: Report = silent,
) -> LatencyTable:
    """Measures a plan, on this machine or on another.

    An interrupted measurement continues when the function is called again with the same arguments.

    Args:
        plan: What to measure, and for how long.
        device: The device, with runtime, threads, batch and precision.
        folder: Folder of the kit and the raw samples.
        target: How to reach the device; ``None`` for this machine.
        progress: Called with the progress of the measurement.

    Raises:
        UserError: If the runtime is missing or falls back, the device cannot be reached, or the folder
            belongs to another measurement.
    """
    kit = write_plan(plan, folder / "kit", device=device.here() if target is None else device)
    header, windows = run_kit(kit, folder / SAMPLES, target=target, progress=progress)
    return compared(table_from_samples(kit.manifest, header=header, windows=windows))
