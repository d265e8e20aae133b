"""The latency that a table predicts for each exported file, in the precision of the file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas import resources
from nas.cli.steps.context import Context
from nas.cli.steps.final import formats
from nas.cli.steps.final import scale as scale_step
from nas.deploy.formats import find_format
from nas.deploy.manifest import Artefact
from nas.errors import UserError
from nas.files import read_json
from nas.hardware import Device
from nas.latency import LatencyTable, load_table
from nas.latency.compatible import differences
from nas.network import NetworkSpec


def with_predictions(
    context: Context, artefacts: Sequence[Artefact], networks: Mapping[str, NetworkSpec]
) -> list[Artefact]:
    """Returns the artefacts with the predictions of their latencies, as far as a table is at hand.

    Args:
        context: The run.
        artefacts: The files.
        networks: Their networks, by name.
    """
    tables: dict[Device, tuple[LatencyTable, ...]] = {}

    def predicted(artefact: Artefact) -> Artefact:
        kind = find_format(artefact.format)
        if not formats.is_measured(kind, device=context.device):
            return artefact
        device = _device(context, artefact, precision=kind.PRECISION)
        if device not in tables:
            tables[device] = tuple(_tables(context, device))
        return _predicted(artefact, networks[artefact.name], tables[device])

    return [predicted(artefact) for artefact in artefacts]


def _predicted(artefact: Artefact, network: NetworkSpec, tables: Sequence[LatencyTable]) -> Artefact:
    for table in tables:
        if not table.missing(network):
            return dataclasses.replace(
                artefact, predicted_ms=table.predict(network), estimated=table.is_estimate(network)
            )
    return artefact


def _device(context: Context, artefact: Artefact, *, precision: str) -> Device:
    """Returns the device that would measure a file, with the machine that did."""
    device = context.device
    if formats.ships(find_format(artefact.format), device=device):
        precision = device.precision
    machine = str(artefact.device.get("machine", device.machine))
    return dataclasses.replace(device, precision=precision, machine=machine)


def _tables(context: Context, device: Device) -> Iterator[LatencyTable]:
    """Yields the tables of a device: the run's own, then others of the space, then the rest."""
    own = context.path("scale", scale_step.TABLE)
    paths = [own] if own.is_file() else []
    paths += sorted(context.path("table").glob("*.json"))
    for folder in resources.folders("latency_tables"):
        paths += sorted(folder.glob("*.json"), key=lambda path: context.space.name not in path.stem)
    for path in paths:
        try:
            if _may_fit(path, device) and not differences(table := load_table(path), device):
                yield table
        except UserError:  # a damaged table is the business of the command that uses it
            continue


def _may_fit(path: Path, device: Device) -> bool:
    """Whether a file is a table of this machine and precision; reading it as a whole takes longer."""
    value: Any = read_json(path)
    table = value.get("table") if isinstance(value, dict) else None
    of = table.get("device") if isinstance(table, dict) else None
    if not isinstance(of, dict):
        return False
    return (of.get("machine"), of.get("precision")) == (device.machine, device.precision)
