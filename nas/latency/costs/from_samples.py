"""From the raw samples of a kit to a latency table: block costs, correction, validation."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas.blocks import BlockSpec, parse_key
from nas.errors import UserError
from nas.hardware import Device
from nas.latency.costs.block_costs import Derived, derive_costs
from nas.latency.costs.validation import networks_of, validate_table
from nas.latency.costs.windows import Latency, disturbance, latencies
from nas.latency.models.blocks import BlockCost, BlockModel
from nas.latency.models.correction import fit_correction
from nas.latency.plan.entries import REFERENCE, KitNetwork
from nas.latency.plan.probes import Probe
from nas.latency.table import DISTURBED, LatencyTable, Record
from nas.network import NetworkSpec
from nas.runner.errors import RunnerError
from nas.runner.protocol import Window
from nas.runner.result import read_result

_PROBE = "probe"


def table_from_result(content: Mapping[str, Any], *, path: Path) -> LatencyTable:
    """The table of a result of ``measure.pyz``.

    Args:
        content: The file's JSON value.
        path: The file, for messages.

    Raises:
        UserError: If it was edited, has another version, or lacks entries.
    """
    manifest, header, windows = read_measurement(content, path=path)
    return table_from_samples(manifest, header=header, windows=windows)


def read_measurement(
    content: Mapping[str, Any], *, path: Path
) -> tuple[dict[str, Any], dict[str, Any], list[Window]]:
    """The manifest, the header and the windows in a result of ``measure.pyz``.

    Args:
        content: The file's JSON value.
        path: The file, for messages.

    Raises:
        UserError: If it was edited or has another version.
    """
    try:
        result = read_result(dict(content), path=path)
    except RunnerError as error:
        raise UserError(str(error)) from None
    windows = [
        Window(entry, round_, start_s, runs, tuple(samples), *rest)
        for entry, round_, start_s, runs, samples, *rest in result["windows"]
    ]
    return result["manifest"], result["header"], windows


def table_from_samples(
    manifest: Mapping[str, Any], *, header: Mapping[str, Any], windows: Sequence[Window]
) -> LatencyTable:
    """The table from the raw samples of a kit.

    Args:
        manifest: The kit's manifest.
        header: The header of the sample file, with the machine and the versions.
        windows: All samples.

    Raises:
        UserError: If entries have no samples.
    """
    measured = entry_latencies(manifest, windows)
    probes, networks = kit_probes(manifest), _networks(manifest)
    derived = derive(probes, measured)
    constant = min(derived.context_ms.values())
    fitted = fit_correction(
        *networks_of(networks, "correction", measured), cost_ms=derived.cost_ms, constant_ms=constant
    )
    table = LatencyTable(
        name=manifest["table"]["name"],
        device=measured_device(manifest, header),
        space=manifest["table"]["space"],
        model=BlockModel(costs(derived), fitted),
        probes=(*probe_records(probes, measured), *network_records(networks, measured)),
        protocol=manifest["protocol"],
        references_ms=references(measured),
        provenance=provenance(header, windows),
    )
    return dataclasses.replace(
        table, accuracy=validate_table(table, networks, measured, plain_constant_ms=constant)
    )


def measured_device(manifest: Mapping[str, Any], header: Mapping[str, Any]) -> Device:
    """The device of a kit; the header of its samples fills in machine and version if they are empty."""
    device = Device.from_dict(manifest["device"])
    return dataclasses.replace(
        device,
        machine=device.machine or header["machine"],
        runtime_version=device.runtime_version or header["runtime_version"],
    )


def entry_latencies(manifest: Mapping[str, Any], windows: Sequence[Window]) -> dict[str, Latency]:
    """The latency of each entry of a kit.

    Raises:
        UserError: If entries have no samples.
    """
    require_samples(manifest, windows)
    return latencies(windows)


def require_samples(manifest: Mapping[str, Any], windows: Iterable[Window]) -> None:
    """Raises a ``UserError`` if entries of a kit have no samples."""
    names = {entry["id"] for entry in manifest["entries"]}
    if missing := names - {window.entry for window in windows}:
        raise UserError(
            f"{len(missing)} of the kit's {len(names)} entries have no samples; the measurement was cut off: "
            "repeat it with the same files, and it resumes where it stopped"
        )


def kit_probes(manifest: Mapping[str, Any]) -> list[Probe]:
    """The probes of a kit."""
    return [
        Probe(tuple(map(parse_key, entry["blocks"])), tuple(entry["target"]), entry["context"])
        for entry in manifest["entries"]
        if entry["role"] == _PROBE
    ]


def _networks(manifest: Mapping[str, Any]) -> list[KitNetwork]:
    return [
        KitNetwork(entry["id"], entry["role"], NetworkSpec.from_dict(entry["network"]))
        for entry in manifest["entries"]
        if "network" in entry
    ]


def derive(probes: Sequence[Probe], measured: Mapping[str, Latency]) -> Derived:
    """Block costs from the latencies of probes."""
    latencies = [measured[probe.id] for probe in probes]
    return derive_costs(
        probes,
        np.array([latency.value_ms for latency in latencies]),
        np.array([latency.error_ms for latency in latencies]),
    )


def costs(derived: Derived) -> dict[str, BlockCost]:
    """The costs of blocks with their errors, for a table."""
    return {key: BlockCost(cost, derived.error_ms[key]) for key, cost in derived.cost_ms.items()}


def probe_records(probes: Sequence[Probe], measured: Mapping[str, Latency]) -> list[Record]:
    """The records of probes in a table."""
    return [
        _record(_PROBE, probe.blocks, measured[probe.id], target=probe.target, context=probe.context)
        for probe in probes
    ]


def network_records(networks: Sequence[KitNetwork], measured: Mapping[str, Latency]) -> list[Record]:
    """The records of whole networks in a table."""
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
    return Record(role, keys, latency.value_ms, latency.std_ms, latency.count, rounds, target, context)


def references(measured: Mapping[str, Latency]) -> dict[str, float]:
    """The latencies of the reference models, which show the machine's speed."""
    return {name: item.value_ms for name, item in measured.items() if name.startswith(REFERENCE)}


def provenance(header: Mapping[str, Any], windows: Sequence[Window]) -> dict[str, str]:
    """When, on what machine and by what kit a table was measured, and what disturbed the measurement."""
    last = max(window.start_s for window in windows)
    measured = datetime.datetime.fromtimestamp(last, datetime.UTC).isoformat(timespec="seconds")
    about = {"measured": measured, "machine": header["machine"], "kit": header["kit"]}
    return {**about, DISTURBED: disturbed} if (disturbed := disturbance(windows)) else about
