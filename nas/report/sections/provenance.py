"""What was run: commit, versions, hardware and configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import UserError
from nas.files import read_json, read_text
from nas.report import html
from nas.report.sections.base import Run

if TYPE_CHECKING:
    from markupsafe import Markup

PROVENANCE = Path("provenance.json")
CONFIG = Path("config.yaml")


def provenance(run: Run) -> list[Markup]:
    """Shows how the run came about; long files are folded away."""
    value = read_json(run.folder / PROVENANCE)
    if not isinstance(value, dict):
        raise UserError(
            f"{run.folder / PROVENANCE} is no record of a run; any command of the run makes it anew"
        )
    parts = [_facts(value), html.folded("provenance.json", json.dumps(value, indent=2, ensure_ascii=False))]
    if run.has(CONFIG):
        parts.append(html.folded("config.yaml", read_text(run.folder / CONFIG)))
    return parts


def _facts(value: dict[str, object]) -> Markup:
    overrides = value.get("overrides")
    command = [
        "nas",
        str(value.get("command", "")),
        *(map(str, overrides) if isinstance(overrides, list) else ()),
    ]
    rows = [("command", " ".join(command))]
    rows += [(name, str(value[name])) for name in ("date", "seed", "platform") if name in value]
    if isinstance(source := value.get("source"), dict):
        changed = ", with changes that are not committed" if source.get("changed") else ""
        rows.append(("source", f"commit {source.get('commit')}{changed}"))
    if isinstance(machine := value.get("machine"), dict):
        rows.append(("machine", ", ".join(f"{k} {v}" for k, v in machine.items())))
    return html.table([("what", ""), ("", "")], [("", row) for row in rows], texts=2)
