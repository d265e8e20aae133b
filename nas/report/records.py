"""What steps record of themselves: when they were done, and from which files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json, sha256

RECORD = "step.json"
ORIGINS = {
    "search": ("supernet", "supernet/weights.safetensors", "supernet"),
    "scale": ("search's winner", "search/winner.json", "search"),
    "final": ("winner's network", "scale/scale.json", "scaling"),
    "deploy": ("trained networks", "final/results.json", "training"),
    "trust": ("supernet's weights", "supernet/weights.safetensors", "supernet"),
}
"""By a step's folder: an input by the word of its record, the file, and what that comes from."""


def finished(folder: Path) -> str:
    """When a step was done, in ISO 8601; empty where that is unknown."""
    return str(_read(folder).get("finished", ""))


def is_outdated(run_dir: Path, folder: str) -> bool:
    """Whether a step has read another file than the one that is there now.

    Where the record does not say, exported files count as outdated: their figures are never guessed.
    """
    name, source, _ = ORIGINS[folder]
    if not (run_dir / folder).is_dir() or not (run_dir / source).is_file():
        return False
    record = _read(run_dir / folder)
    if folder == "final" and record.get("settings", {}).get("finish", {}).get("network") is not None:
        return False  # a network that the user has named
    read = record.get("inputs", {}).get(name)
    return folder == "deploy" if read is None else bool(read != sha256(run_dir / source))


def _read(folder: Path) -> dict[str, Any]:
    """A step's record; empty where it is missing or damaged."""
    with suppress(UserError):
        value = read_json(folder / RECORD)
        return value if isinstance(value, dict) else {}
    return {}
