"""What a run is about, in a few words each: data, device, budget, the file to ship."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json, read_yaml
from nas.hardware import Device, latency_unit
from nas.report.files import PARETO, SCALE, read_latency_table
from nas.report.results import RESULTS, read_table
from nas.report.sections.provenance import CONFIG
from nas.report.shipped import recommended
from nas.report.table import milliseconds

_DAMAGED = (UserError, OSError, KeyError, TypeError, ValueError, AttributeError)


def about(run_dir: Path) -> list[tuple[str, str]]:
    """Returns terms and their values, as far as the run's files give them."""
    found = []
    for term, make in (
        ("data", _data),
        ("search space", _space),
        ("device", _device),
        ("budget of the exported file", _budget),
        ("file to ship", _file),
    ):
        with suppress(*_DAMAGED):  # a damaged file is reported in its section
            if value := make(run_dir):
                found.append((term, value))
    return found


def _config(run_dir: Path) -> dict[str, Any]:
    return dict(read_yaml(run_dir / CONFIG))


def _data(run_dir: Path) -> str:
    name = str(_config(run_dir)["data"]["name"])
    if not (run_dir / RESULTS).is_file():
        return name
    winner = next(row for row in read_table(run_dir) if row.role == "winner")
    return f"{name}, {winner.network.classes} classes"


def _space(run_dir: Path) -> str:
    with suppress(*_DAMAGED):
        return str(read_json(run_dir / PARETO)["space"])
    return Path(str(_config(run_dir)["space"])).stem


def _device(run_dir: Path) -> str:
    table = read_latency_table(run_dir)
    return "" if table is None else in_words(table.device)


def in_words(device: Device) -> str:
    """Describes a device by its machine, runtime, threads, precision and batch."""
    threads = f"{device.threads} thread{'' if device.threads == 1 else 's'}"
    batch = "" if device.batch == 1 else f", batch {device.batch}"
    machine = device.machine or "any machine"
    return f"{device.name} ({machine}; {device.runtime}, {threads}, {device.precision}{batch})"


def _budget(run_dir: Path) -> str:
    value = read_json(run_dir / SCALE)
    budget = value["latency_ms"]
    return "" if budget is None else f"{milliseconds(budget)} {latency_unit(value.get('batch', 1))}"


def _file(run_dir: Path) -> str:
    choice = recommended(run_dir)
    return "" if choice is None else choice[0].file
