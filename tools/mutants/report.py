"""The report on mutants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.mutants.finding import Mutant

KILLED = 0.85
EQUIVALENT = 0.1
LISTED = Path(__file__).with_name("equivalent.yaml")

Results = Mapping[str, Mapping[str, str | int | float]]


def read_results(path: Path) -> dict[str, dict[str, str | int | float]]:
    """The result of each mutant by its id."""
    if not path.exists():
        return {}
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {record.pop("mutant"): record for record in records}


@dataclass(frozen=True)
class Equivalent:
    """A mutant that changes no result.

    Attributes:
        path: Its file.
        code: The first line of its statement.
        change: The old and the new text.
        reason: Why no test can detect it.
    """

    path: str
    code: str
    change: str
    reason: str

    def is_(self, mutant: Mutant) -> bool:
        """Whether a mutant is this one."""
        return (self.path, self.code, self.change) == (mutant.path, mutant.code, mutant.change)


def write(drawn: Sequence[Mutant], results: Results, path: Path) -> int:
    """Writes and prints the report; 0 if enough are killed and few enough are equivalent, else 1."""
    listed = [Equivalent(**each) for each in yaml.safe_load(LISTED.read_text("utf-8"))]
    alive = [mutant for mutant in drawn if results[mutant.id]["outcome"] != "killed"]
    equivalent = {m.id: each for m in alive for each in listed if each.is_(m)}
    survivors = [mutant for mutant in alive if mutant.id not in equivalent]
    killed, counted = len(drawn) - len(alive), len(drawn) - len(equivalent)
    lines = [
        f"{killed} of {counted} mutants killed: {killed / max(counted, 1):.1%}, at least {KILLED:.0%} wanted."
    ]
    lines += [f"{len(equivalent)} of {len(drawn)} are equivalent, at most {EQUIVALENT:.0%} allowed.", ""]
    lines += [
        f"## {len(survivors)} survivors",
        "",
        *(_shown(m, str(results[m.id]["outcome"])) for m in survivors),
    ]
    lines += [f"## {len(equivalent)} equivalent", ""]
    lines += [_shown(m, equivalent[m.id].reason) for m in alive if m.id in equivalent]
    text = "\n".join(lines)
    path.write_text(text + "\n", encoding="utf-8")
    print(text)
    return int(killed < KILLED * counted or len(equivalent) > EQUIVALENT * len(drawn))


def _shown(mutant: Mutant, note: str) -> str:
    return f"{mutant.path}:{mutant.line} {mutant.kind}: {note}\n    {mutant.code}\n    {mutant.change}\n"
