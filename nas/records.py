"""The record of a finished step, ``step.json``, which carries a hash of its own content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json, write_json

RECORD = "step.json"
_SEAL = "sha256"
_KEYS = {
    "schema",
    "step",
    "settings",
    "inputs",
    "outputs",
    "seconds",
    "resumed",
    "finished",
    "versions",
    _SEAL,
}


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Writes a record, JSON values by the names in ``_KEYS``, into a step's folder."""
    write_json(folder / RECORD, {**record, _SEAL: _hash(record)})


def read_record(folder: Path) -> dict[str, Any] | None:
    """Reads the record of a step's folder, without its hash; ``None`` if it is missing or damaged.

    Records of versions that wrote no hash are read as they are. A changed name of the hash is damage, too.
    """
    try:
        record = read_json(folder / RECORD)
    except (UserError, OSError):
        return None
    if not isinstance(record, dict) or not record.keys() <= _KEYS:
        return None
    seal = record.pop(_SEAL, None)
    parts = [record.get(name, {}) for name in ("settings", "inputs", "outputs", "versions")]
    if not all(isinstance(part, dict) for part in parts):
        return None
    return record if seal in (None, _hash(record)) else None


def _hash(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
