"""Building a table on this machine: enumerate, write a kit, measure, derive, correct, prove."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.hardware import Device, describe_machine
from nas.latency.additive import BlockCost, BlockModel
from nas.latency.analysis import Latency
from nas.latency.choice import stratified
from nas.latency.correction import fit_correction
from nas.latency.kit import KitNetwork, write_kit
from nas.latency.measuring import SAMPLES, Measurement, Report, measure, measure_networks, silent
from nas.latency.probes import Derived, Probe, derive_costs, plan_probes
from nas.latency.proof import prove, whole
from nas.latency.runner.protocol import Protocol
from nas.latency.table import LatencyTable, Record
from nas.network import NetworkSpec
from nas.space import SearchSpace

__all__ = ["Measurement", "build_table", "extend_table", "measure_networks"]


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
    progress: Report = silent,
) -> LatencyTable:
    """Measures every block of a space on this machine.

    Interrupted, it goes on where it stopped when it is called again with the same arguments.

    Args:
        space: The space.
        device: This machine, with runtime, threads, batch and precision.
        folder: Where the kit and the raw samples go.
        budget_s: Seconds of measuring; what comes before and after takes a few more.
        resolutions: Input resolutions; all of the space's by default.
        classes: Outputs of the classifier.
        input_channels: Channels of the image; the space's by default.
        correction_networks: Whole networks that the correction is fitted on; 0 for none.
        validation_networks: Whole networks that the table's error is computed on; 0 leaves it unknown.
        seed: Seed of the choice of networks, the weights and the order of measuring.
        progress: Is told how far the measuring is.

    Raises:
        UserError: If the runtime is missing or falls back, or the folder belongs to another measurement.
    """
    device = device.here()
    channels = space.input_channels if input_channels is None else input_channels
    blocks = space.block_specs(resolutions=resolutions, classes=classes, input_channels=channels)
    networks = _choose(
        space,
        {"correction": correction_networks, "validation": validation_networks},
        seed,
        resolutions,
        lambda arch: space.network(arch, classes=classes, input_channels=channels),
    )
    probes = plan_probes(blocks, input_channels=channels)
    protocol = Protocol(budget_s=budget_s, seed=seed)
    kit = write_kit(
        folder / "kit", device=device, probes=probes, networks=networks, protocol=protocol, seed=seed
    )
    measured = measure(kit, folder / SAMPLES, progress=progress)[0]
    return _table(f"{space.name}-{device.name}", space.name, device, probes, networks, protocol, measured)


def _choose(
    space: SearchSpace,
    counts: Mapping[str, int],
    seed: int,
    resolutions: Sequence[int] | None,
    network: Callable[..., NetworkSpec],
) -> list[KitNetwork]:
    """Disjoint sets of networks, each spread over the range of MACs."""
    rng = np.random.default_rng(seed)
    chosen: dict[str, KitNetwork] = {}
    for role, count in counts.items():
        picked = stratified(space, count + len(chosen), rng, resolutions=resolutions)
        fresh = [arch for arch in picked if str(arch) not in chosen][:count]
        chosen |= {str(arch): KitNetwork(f"{role}-{i}", role, network(arch)) for i, arch in enumerate(fresh)}
    return list(chosen.values())


def _table(
    name: str,
    space: str,
    device: Device,
    probes: Sequence[Probe],
    networks: Sequence[KitNetwork],
    protocol: Protocol,
    measured: Mapping[str, Latency],
) -> LatencyTable:
    derived = _derive(probes, measured)
    constant = min(derived.context_ms.values())
    fitted = fit_correction(
        *whole(networks, "correction", measured), cost_ms=derived.cost_ms, constant_ms=constant
    )
    table = LatencyTable(
        name=name,
        device=device,
        space=space,
        model=BlockModel(_costs(derived), fitted),
        probes=(*_probe_records(probes, measured), *_network_records(networks, measured)),
        protocol=protocol.to_dict(),
        references_ms=_references(measured),
        provenance=_provenance(),
    )
    return dataclasses.replace(table, accuracy=prove(table, networks, measured, plain_constant_ms=constant))


def _derive(probes: Sequence[Probe], measured: Mapping[str, Latency]) -> Derived:
    found = [measured[probe.id] for probe in probes]
    return derive_costs(
        probes,
        np.array([latency.mean_ms for latency in found]),
        np.array([latency.error_ms for latency in found]),
    )


def _costs(derived: Derived) -> dict[str, BlockCost]:
    return {key: BlockCost(cost, derived.error_ms[key]) for key, cost in derived.cost_ms.items()}


def _probe_records(probes: Sequence[Probe], measured: Mapping[str, Latency]) -> list[Record]:
    return [
        _record("probe", probe.blocks, measured[probe.id], target=probe.target, context=probe.context)
        for probe in probes
    ]


def _network_records(networks: Sequence[KitNetwork], measured: Mapping[str, Latency]) -> list[Record]:
    return [
        _record(entry.role, entry.network.blocks, measured[entry.id])
        for entry in networks
        if isinstance(entry.network, NetworkSpec)
    ]


def _record(
    role: str,
    blocks: Iterable[BlockSpec],
    latency: Latency,
    *,
    target: tuple[str, ...] = (),
    context: str = "",
) -> Record:
    keys = tuple(block.key for block in blocks)
    rounds = tuple(round(value, 7) for value in latency.rounds_ms)
    return Record(role, keys, latency.mean_ms, latency.std_ms, latency.count, rounds, target, context)


def _references(measured: Mapping[str, Latency]) -> dict[str, float]:
    return {
        name: float(np.median(item.rounds_ms))
        for name, item in measured.items()
        if name.startswith("reference")
    }


def _provenance() -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"measured": now, "machine": describe_machine()}


def extend_table(
    table: LatencyTable,
    networks: Iterable[NetworkSpec],
    *,
    folder: Path,
    budget_s: float = 60.0,
    seed: int = 0,
    progress: Report = silent,
) -> LatencyTable:
    """Measures those blocks of ``networks`` that the table lacks, on this machine.

    The new costs are brought to the state that the machine was in when the table was measured, by the ratio
    of the reference kernels.

    Args:
        table: The table, measured on this machine with this runtime.
        networks: The networks that are to be predicted.
        folder: Where the kit and the raw samples go.
        budget_s: Seconds of measuring.
        seed: Seed of the weights and the order of measuring.
        progress: Is told how far the measuring is.

    Raises:
        UserError: If the table belongs to another machine or runtime version.
    """
    networks = tuple(networks)
    blocks = dict.fromkeys(block for network in networks for block in table.missing(network))
    if not blocks:
        return table
    device = _same_machine(table.device)
    probes = plan_probes(blocks, input_channels=networks[0].input_channels)
    protocol = Protocol(budget_s=budget_s, seed=seed)
    kit = write_kit(folder / "kit", device=device, probes=probes, protocol=protocol, seed=seed)
    measured = measure(kit, folder / SAMPLES, progress=progress)[0]
    factor = _state_ratio(table.references_ms, _references(measured))
    costs = {
        key: BlockCost(cost.ms * factor, (cost.error_ms or 0.0) * factor)
        for key, cost in _costs(_derive(probes, measured)).items()
    }
    return table.with_blocks(costs, probes=_probe_records(probes, measured))


def _same_machine(device: Device) -> Device:
    if device.machine != describe_machine():
        raise UserError(
            f"the table was measured on {device.machine}, this is {describe_machine()}; "
            "measure the missing blocks there, or measure a new table here"
        )
    return device.here()


def _state_ratio(then_ms: Mapping[str, float], now_ms: Mapping[str, float]) -> float:
    ratios = [then_ms[name] / now_ms[name] for name in now_ms if name in then_ms]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else 1.0
