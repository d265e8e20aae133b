"""The records of steps: when they finished, and from which files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.files import sha256
from nas.records import read_record

ORIGINS = {
    "search": ("supernet", "supernet/weights.safetensors", "supernet"),
    "scale": ("search's winner", "search/winner.json", "search"),
    "final": ("winner's network", "scale/scale.json", "scaling"),
    "deploy": ("trained networks", "final/results.json", "training"),
    "trust": ("supernet's weights", "supernet/weights.safetensors", "supernet"),
}
"""By a step's folder: an input's name in its record, the file, and the name of the step that made it."""


def finished(folder: Path) -> str:
    """Returns the time when a step finished, in ISO 8601; empty if unknown."""
    return str(_read(folder).get("finished", ""))


def settings(folder: Path) -> dict[str, Any]:
    """Returns the settings of a step; empty if unknown."""
    return dict(_read(folder).get("settings", {}))


def versions(folder: Path) -> dict[str, str]:
    """Returns the versions of the packages that a step ran with; empty if unknown."""
    return dict(_read(folder).get("versions", {}))


def has_own_network(run_dir: Path) -> bool:
    """Returns whether the trained winner is a network of the user's own, not one of a search."""
    return settings(run_dir / "final").get("finish", {}).get("network") is not None


def is_outdated(run_dir: Path, folder: str) -> bool:
    """Returns whether a step's input has changed since the step ran.

    Exported files without a record of their input count as outdated.
    """
    name, source, _ = ORIGINS[folder]
    if not (run_dir / folder).is_dir() or not (run_dir / source).is_file():
        return False
    if folder == "final" and has_own_network(run_dir):
        return False
    hash_then = _read(run_dir / folder).get("inputs", {}).get(name)
    return folder == "deploy" if hash_then is None else bool(hash_then != sha256(run_dir / source))


def _read(folder: Path) -> dict[str, Any]:
    """Reads a step's record; empty if it is missing or damaged."""
    return read_record(folder) or {}
