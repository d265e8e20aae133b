"""The usual speed of this machine: latencies of the reference models in earlier measurements.

They are kept in the user's cache folder, for each device by itself, so that a measurement without a latency
table can tell whether the machine is slower than it was before.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas.files import cache_folder, write_json
from nas.hardware import Device
from nas.latency.costs.intervals import slowdown_of, slower_in_words
from nas.latency.table import LatencyTable

_KEPT = 20


def usual_ms(device: Device) -> dict[str, float]:
    """The median latency of each reference model in the latest measurements; empty if there was none."""
    earlier = _read(_path(device))
    names = {name for each in earlier for name in each}
    return {name: statistics.median(each[name] for each in earlier if name in each) for name in sorted(names)}


def remember(device: Device, references_ms: Mapping[str, float]) -> None:
    """Adds the references of an undisturbed measurement. A folder that cannot be written is no error."""
    path = _path(device)
    with suppress(OSError):
        earlier = [each for each in _read(path) if each != references_ms]
        latest = [*earlier, dict(references_ms)][-_KEPT:]
        write_json(path, {"device": _identity(device), "latencies_ms": latest})


def compared(table: LatencyTable) -> LatencyTable:
    """Compares a table that was just measured with earlier measurements on its machine.

    Returns:
        The table; it is marked as disturbed if the reference networks were slower than usual. The references
        of an undisturbed one are remembered.
    """
    slower = slower_in_words(slowdown_of(table.references_ms, usual_ms(table.device)))
    if not (table.disturbed or slower):
        remember(table.device, table.references_ms)
    return table.marked(slower)


def _read(path: Path) -> list[dict[str, float]]:
    """The earlier measurements; none if the file is missing or damaged, since it is only a cache."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["latencies_ms"]
        return [{str(name): float(ms) for name, ms in each.items() if float(ms) > 0} for each in kept]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _path(device: Device) -> Path:
    name = hashlib.sha256(json.dumps(_identity(device), sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder() / "reference-latencies" / f"{name}.json"


def _identity(device: Device) -> dict[str, Any]:
    """What decides the latencies of the reference models."""
    value = device.to_dict()
    names = ("machine", "runtime", "runtime_version", "provider", "provider_options", "threads", "batch")
    return {name: value.get(name) for name in (*names, "precision")}
