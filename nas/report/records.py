"""What steps record of themselves: when they were done, and from which files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json

RECORD = "step.json"


def finished(folder: Path) -> str:
    """When a step was done, in ISO 8601; empty where that is unknown."""
    return str(_read(folder).get("finished", ""))


def _read(folder: Path) -> dict[str, Any]:
    """A step's record; empty where it is missing or damaged."""
    with suppress(UserError):
        value = read_json(folder / RECORD)
        return value if isinstance(value, dict) else {}
    return {}
