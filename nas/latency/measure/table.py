"""Building a table: plan, write a kit, measure it here or on another device, derive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.hardware import Device
from nas.latency.costs.from_samples import derive_table
from nas.latency.kit.kit import Kit, write_kit
from nas.latency.plan.plan import Plan, plan_table
from nas.latency.table import LatencyTable
from nas.latency.targets import Target, measure_remotely
from nas.latency.targets.here import SAMPLES, Measurement, Report, measure, measure_networks, silent
from nas.runner.samples import read_samples
from nas.space import SearchSpace

__all__ = ["Measurement", "build_table", "measure_networks", "measure_plan", "write_plan"]


def build_table(
    space: SearchSpace,
    *,
    device: Device,
    folder: Path,
    budget_s: float,
    resolutions: Sequence[int] | None = None,
    classes: int = 1000,
    input_channels: int | None = None,
    correction_networks: int = 16,
    validation_networks: int = 16,
    seed: int = 0,
    target: Target | None = None,
    progress: Report = silent,
) -> LatencyTable:
    """Measures every block of a space, on this machine or on another.

    Interrupted, it goes on where it stopped when it is called again with the same arguments.

    Args:
        space: The space.
        device: What is measured, with runtime, threads, batch and precision.
        folder: Where the kit and the raw samples go.
        budget_s: Seconds of measuring; what comes before and after takes a few more.
        resolutions: Input resolutions; all of the space's by default.
        classes: Outputs of the classifier.
        input_channels: Channels of the image; the space's by default.
        correction_networks: Whole networks that the correction is fitted on; 0 for none.
        validation_networks: Whole networks that the table's error is computed on; 0 leaves it unknown.
        seed: Seed of the choice of networks, the weights and the order of measuring.
        target: How the device is reached; this machine is the device where it is ``None``.
        progress: Is told how far the measuring is.

    Raises:
        UserError: If the runtime is missing or falls back, the device cannot be reached, or the folder
            belongs to another measurement.
    """
    plan = plan_table(
        space,
        budget_s=budget_s,
        resolutions=resolutions,
        classes=classes,
        input_channels=input_channels,
        correction_networks=correction_networks,
        validation_networks=validation_networks,
        seed=seed,
        target=target,
    )
    return measure_plan(plan, device=device, folder=folder, target=target, progress=progress)


def write_plan(plan: Plan, folder: Path, *, device: Device) -> Kit:
    """Writes the kit of a plan.

    Args:
        plan: What is to be measured.
        folder: Folder of the kit.
        device: What is measured; machine and version may be empty, and are filled in by the measurement.
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
    """Measures what a plan says; see ``build_table``."""
    samples = folder / SAMPLES
    if target is None:
        kit = write_plan(plan, folder / "kit", device=device.here())
        measure(kit, samples, progress=progress)
    else:
        kit = write_plan(plan, folder / "kit", device=device)
        measure_remotely(kit, samples, target=target, progress=progress)
    header, windows = read_samples(samples)
    return derive_table(kit.manifest, header=header or {}, windows=windows)
