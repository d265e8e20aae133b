"""``missed/attempts.json``: the networks of a run that were exported and missed the latency budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from nas.deploy.manifest import Artefact
from nas.files import fields_of, read_json, sha256, write_json

FOLDER = "missed"
ATTEMPTS = Path(FOLDER) / "attempts.json"
_SCALE = Path("scale") / "scale.json"


@final
@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A candidate of the scaling whose exported file missed the budget.

    Attributes:
        candidate: 0 for the scaled network, N for the Nth fallback in ``scale.json``.
        phi: Its (equivalent) compound coefficient.
        predicted_ms: Latency that the scaling predicted.
        budget_ms: The budget.
        artefact: The file that was compared with the budget.
    """

    candidate: int
    phi: float
    predicted_ms: float
    budget_ms: float
    artefact: Artefact

    @property
    def name(self) -> str:
        """The candidate's name in messages and tables."""
        return candidate_name(self.candidate)

    @property
    def measured_ms(self) -> float:
        """The measured latency of its file."""
        assert self.artefact.latency_ms is not None, "an attempt is measured"
        return self.artefact.latency_ms.value

    def to_dict(self) -> dict[str, Any]:
        """Returns the attempt as JSON values."""
        return {**dataclasses.asdict(self), "artefact": self.artefact.to_dict()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Attempt:
        """The inverse of ``to_dict``."""
        return cls(**{**value, "artefact": Artefact.from_dict(value["artefact"])})


def candidate_name(number: int) -> str:
    """Returns ``"scaled network"`` for 0, ``"fallback 2"`` for 2."""
    return f"fallback {number}" if number else "scaled network"


@final
@dataclass(frozen=True, kw_only=True)
class Attempts:
    """The candidates of a run.

    Attributes:
        candidate: Number of the candidate that the run trains and exports.
        missed: The attempts that missed the budget, in order.
        settings: The settings of their exports, by name.
    """

    candidate: int = 0
    missed: tuple[Attempt, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def adding(self, attempt: Attempt) -> Attempts:
        """Returns the attempts with one more; it replaces an earlier one of the same candidate."""
        others = (each for each in self.missed if each.candidate != attempt.candidate)
        return replace(self, missed=(*others, attempt))


def read_attempts(run_dir: Path) -> Attempts:
    """Reads the attempts of a run; there are none after another scaling.

    Raises:
        UserError: If the file cannot be read.
    """
    path = run_dir / ATTEMPTS
    if not path.is_file() or not (run_dir / _SCALE).is_file():
        return Attempts()
    value = read_json(path)
    with fields_of(path, remedy=f"delete {path.parent}, and the run starts with the scaled network again"):
        if value["scale"] != sha256(run_dir / _SCALE):
            return Attempts()
        missed = tuple(Attempt.from_dict(each) for each in value["missed"])
        return Attempts(candidate=int(value["candidate"]), missed=missed, settings=value["settings"])


def write_attempts(run_dir: Path, attempts: Attempts) -> None:
    """Writes the attempts of a run, atomically, with the hash of ``scale.json``."""
    value = {
        "scale": sha256(run_dir / _SCALE),
        "candidate": attempts.candidate,
        "settings": dict(attempts.settings),
        "missed": [each.to_dict() for each in attempts.missed],
    }
    write_json(run_dir / ATTEMPTS, value)
