"""Measuring a few whole networks or ONNX files, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json
from nas.hardware import Device
from nas.latency.costs.from_samples import measured_device, read_measurement, require_samples
from nas.latency.costs.intervals import Measured, measured_latencies
from nas.latency.kit.kit import Kit, write_kit
from nas.latency.measure.usual_speed import remember, usual_ms
from nas.latency.plan.entries import KitNetwork
from nas.latency.targets import Target
from nas.latency.targets.run_kit import SAMPLES, Report, run_kit, silent
from nas.network import NetworkSpec
from nas.runner.protocol import Protocol, Window

_VISITS, _ROUNDS, _MOST_VISITS = 5, 4, 12
_SPREAD_S = 12.0


def protocol(*, budget_s: float, seed: int) -> Protocol:
    """The protocol for whole networks: visits of fresh processes, spread over seconds.

    Args:
        budget_s: Seconds of measuring.
        seed: Seed of the order of measuring.
    """
    return Protocol(
        budget_s=budget_s,
        seed=seed,
        visits=_VISITS,
        min_rounds=_VISITS * _ROUNDS,
        max_rounds=_MOST_VISITS * _ROUNDS,
        relative_precision=0.025,
        spread_s=min(_SPREAD_S, budget_s / 2),
        reference_every_s=0.2,
    )


def write_networks(
    networks: Mapping[str, NetworkSpec | Path],
    folder: Path,
    *,
    device: Device,
    budget_s: float,
    sizes: Mapping[str, int] | None = None,
    usual: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Kit:
    """Writes a kit of whole networks.

    Args:
        networks: Networks, or ONNX files, by name.
        folder: Folder of the kit.
        device: The device.
        budget_s: Seconds of measuring.
        sizes: Sizes that files leave open, by name.
        usual: Earlier latencies of the reference models on the device, in ms, if known.
        seed: Seed of the weights and the order of measuring.

    Raises:
        UserError: If files cannot be measured; it names each.
    """
    entries = [
        KitNetwork(f"network-{i}", "network", network, name=name, sizes=sizes or {})
        for i, (name, network) in enumerate(networks.items())
    ]
    return write_kit(
        folder,
        device=device,
        networks=entries,
        protocol=protocol(budget_s=budget_s, seed=seed),
        usual_ms=usual,
        seed=seed,
    )


def measure_networks(
    networks: Mapping[str, NetworkSpec | Path],
    *,
    device: Device,
    folder: Path,
    budget_s: float = 25.0,
    sizes: Mapping[str, int] | None = None,
    usual: Mapping[str, float] | None = None,
    target: Target | None = None,
    seed: int = 0,
    progress: Report = silent,
) -> Measured:
    """Measures whole networks in visits, interleaved in shuffled rounds, so that they can be compared.

    Args:
        networks: Networks, or ONNX files, by name.
        device: The device, with runtime, threads, batch and precision.
        folder: Folder of the kit and the raw samples.
        budget_s: Seconds of measuring.
        sizes: Sizes that files leave open, by name.
        usual: Earlier latencies of the reference models on the device, in ms, at whose speed latencies are
            stated: those of a latency table, for example. By default, those of earlier calls.
        target: How to reach the device; ``None`` for this machine.
        seed: Seed of the weights and the order of measuring.
        progress: Called with the progress of the measurement.

    Raises:
        UserError: If files cannot be measured, or the device cannot be reached.
    """
    if target is None:
        device = device.here()
        usual = usual_ms(device) if usual is None else usual
    kit = write_networks(
        networks,
        folder / "kit",
        device=device,
        budget_s=budget_s,
        sizes=sizes,
        usual=usual,
        seed=seed,
    )
    try:
        header, windows = run_kit(kit, folder / SAMPLES, target=target, progress=progress)
    except UserError as error:
        raise UserError(_with_names(str(error), kit, networks)) from None
    return _measured(kit.manifest, header, windows, usual=usual)


def _with_names(message: str, kit: Kit, networks: Mapping[str, NetworkSpec | Path]) -> str:
    """A message in which the kit's copies of files are named after the user's files."""
    entries = {entry["name"]: entry["file"] for entry in kit.entries if "name" in entry}
    for name, network in networks.items():
        if isinstance(network, Path):
            message = message.replace(str(kit.folder / entries[name]), str(network))
    return message


def read_networks(path: Path) -> Measured:
    """The latencies in a file that ``measure.pyz`` wrote on a device, from a kit of whole networks.

    Raises:
        UserError: If the file is missing, damaged or edited, or of a kit for a latency table.
    """
    manifest, header, windows = read_measurement(read_json(path), path=path)
    if not any("name" in entry for entry in manifest["entries"]):
        raise UserError(f"{path} is of a kit for a latency table; use it as one: table={path}")
    return _measured(manifest, header, windows)


def _measured(
    manifest: Mapping[str, Any],
    header: Mapping[str, Any],
    windows: Sequence[Window],
    *,
    usual: Mapping[str, float] | None = None,
) -> Measured:
    """The latencies of the networks of a kit. References are kept if the measurement was undisturbed."""
    require_samples(manifest, windows)
    device = measured_device(manifest, header)
    measured = measured_latencies(
        windows,
        {entry["name"]: entry["id"] for entry in manifest["entries"] if "name" in entry},
        device=device,
        usual_ms=usual_ms(device) if usual is None else usual,
    )
    if not measured.disturbed:
        remember(device, measured.references_ms)
    return measured
