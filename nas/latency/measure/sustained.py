"""Latency under sustained load: one network that runs without a pause for minutes.

A phone or a board without a fan slows down when it has been busy for some minutes. A latency table is
measured within one or two, on a device that is still cool.
"""

from __future__ import annotations

import math
from pathlib import Path

from nas.errors import UserError
from nas.hardware import Device
from nas.latency.costs.from_samples import require_samples
from nas.latency.costs.sustained import ENTRY, Sustained, compared
from nas.latency.kit.kit import write_kit
from nas.latency.plan.entries import KitNetwork
from nas.latency.targets import Target
from nas.latency.targets.run_kit import SAMPLES, Report, run_kit, silent
from nas.network import NetworkSpec
from nas.runner.protocol import Protocol

_WINDOW_S = 0.1


def measure_sustained(
    network: NetworkSpec,
    *,
    device: Device,
    folder: Path,
    duration_s: float,
    target: Target | None = None,
    seed: int = 0,
    progress: Report = silent,
) -> Sustained:
    """Runs a network without a pause, and compares its latency in the first and the last minute.

    An interrupted measurement begins anew, since the device has rested.

    Args:
        network: The network.
        device: The device, with runtime, threads, batch and precision.
        folder: Folder of the kit and the raw samples.
        duration_s: Seconds of load.
        target: How to reach the device; ``None`` for this machine.
        seed: Seed of the weights.
        progress: Called with the progress of the measurement.

    Raises:
        UserError: If the device cannot be reached, or measures with a program that pauses between runs.
    """
    if target is not None and target.binary is not None:
        raise UserError(
            "sustained load needs measure.pyz, which times one run after another; leave out "
            "table.sustained, or measure with Python on the device: table.remote.binary=null"
        )
    windows = math.ceil(duration_s / _WINDOW_S)
    kit = write_kit(
        folder / "kit",
        device=device.here() if target is None else device,
        networks=[KitNetwork(ENTRY, ENTRY, network, name=ENTRY)],
        protocol=Protocol(
            budget_s=duration_s,
            sample_ms=5.0,
            window_ms=1e3 * _WINDOW_S,
            min_rounds=windows,
            max_rounds=windows,
            reference_every_s=max(duration_s, _WINDOW_S),
            seed=seed,
        ),
        seed=seed,
    )
    samples = folder / SAMPLES
    samples.unlink(missing_ok=True)
    _, taken = run_kit(kit, samples, target=target, progress=progress)
    require_samples(kit.manifest, taken)
    return compared(taken, duration_s=duration_s)
