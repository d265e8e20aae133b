"""Measuring a few whole networks on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.hardware import Device
from nas.latency.costs.from_samples import entry_latencies
from nas.latency.costs.windows import Latency, disturbance
from nas.latency.kit.kit import write_kit
from nas.latency.plan.entries import KitNetwork
from nas.latency.targets.run_kit import SAMPLES, Report, run_kit, silent
from nas.network import NetworkSpec
from nas.runner.protocol import Protocol, Window, student_t

_SPREAD_S = 6.0


@dataclass(frozen=True)
class Measurement:
    """The latency of one whole network.

    Attributes:
        latency_ms: The undisturbed latency if ``disturbed`` is empty, which is the figure that a table
            predicts.
        low_ms: Lower end of its 95 % confidence interval.
        high_ms: Upper end of that interval.
        median_ms: The median of all samples, disturbed ones included.
        mad_ms: Their median absolute deviation.
        samples_ms: All raw samples in chronological order.
        disturbed: The known constant disturbance of the measurement, as text; empty if there is none.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    median_ms: float
    mad_ms: float
    samples_ms: tuple[float, ...]
    disturbed: str = ""


def measure_networks(
    networks: Mapping[str, NetworkSpec | Path],
    *,
    device: Device,
    folder: Path,
    budget_s: float = 60.0,
    seed: int = 0,
    progress: Report = silent,
) -> dict[str, Measurement]:
    """Measures whole networks on this machine, interleaved in shuffled rounds, so that they can be compared.

    The rounds are spread over some seconds, so that an interval covers changes from second to second.

    Args:
        networks: Networks, or ONNX files, by name.
        device: This machine, with runtime, threads, batch and precision.
        folder: Folder of the kit and the raw samples.
        budget_s: Seconds of measuring.
        seed: Seed of the weights and the order of measuring.
        progress: Called with the progress of the measurement.
    """
    ids = {name: f"network-{i}" for i, name in enumerate(networks)}
    entries = [KitNetwork(ids[name], "network", network) for name, network in networks.items()]
    protocol = Protocol(
        budget_s=budget_s, seed=seed, min_rounds=10, max_rounds=40, spread_s=min(_SPREAD_S, budget_s / 2)
    )
    kit = write_kit(folder / "kit", device=device.here(), networks=entries, protocol=protocol, seed=seed)
    _, windows = run_kit(kit, folder / SAMPLES, progress=progress)
    measured = entry_latencies(kit.manifest, windows)
    return {name: _measurement(measured[id_], windows, id_) for name, id_ in ids.items()}


def _measurement(latency: Latency, windows: Sequence[Window], name: str) -> Measurement:
    samples = np.array([us * 1e-3 for window in windows if window.entry == name for us in window.samples_us])
    median = float(np.median(samples))
    half = student_t(max(latency.count - 1, 1)) * latency.error_ms
    return Measurement(
        latency_ms=latency.mean_ms,
        low_ms=latency.mean_ms - half,
        high_ms=latency.mean_ms + half,
        median_ms=median,
        mad_ms=float(np.median(np.abs(samples - median))),
        samples_ms=tuple(samples.tolist()),
        disturbed=disturbance(windows),
    )
