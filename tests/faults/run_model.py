"""A model of a run folder: which commands have to work, which must not, and what they have to leave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.files import sha256
from tests.faults.killing import results
from tests.faults.test_kills import STEPS

Value = tuple[object, ...]
"""What a result follows from: its step, its settings and the values of what the step reads."""

READS = {
    "train": (),
    "table": (),
    "search": ("supernet/weights.safetensors", "table/{table}"),
    "scale": ("search/winner.json", "table/{table}"),
    "finish": ("scale/scale.json", "scale/table.json"),
    "export": ("final/results.json", "scale/scale.json"),
}
"""The files that each command must have, as the design says."""

DESCRIBES = {"export": ("search/winner.json", "search/pareto.json", "scale/table.json")}
"""Files that a command reads if they are there."""

SEED_OF = {"search": "train", "finish": "search", "export": "finish"}
"""The command whose split of the images each must share."""

TABLE = "mini-this_machine-estimated.json"


@dataclass(frozen=True)
class Settings:
    """What differs between the commands of a sequence."""

    seed: int
    trials: int

    def words(self) -> tuple[str, ...]:
        return f"seed={self.seed}", f"search.trials={self.trials}"

    def of(self, command: str) -> Value:
        """The part that decides a command's result."""
        return (self.seed, self.trials) if command == "search" else (self.seed,)


@dataclass(frozen=True)
class Made:
    """A finished step.

    Attributes:
        value: What it follows from; ``None`` if something damaged is in it.
        settings: Its settings.
        reads: The hashes of the files that it has read.
        seed: The seed of its images.
    """

    value: Value | None
    settings: Value
    reads: tuple[str, ...]
    seed: int


class RunModel:
    """What has to lie in a run folder."""

    def __init__(self, run_dir: Path, known: dict[Value, Mapping[str, object]]) -> None:
        """Starts with an empty run.

        Args:
            run_dir: The folder.
            known: The results of undisturbed steps; those of others are added when they are first seen.
        """
        self._run_dir, self._known = run_dir, known
        self._made: dict[str, Made] = {}

    def is_refused(self, command: str, settings: Settings) -> bool:
        """Whether a command must fail, as an input is missing or made from another split of the images."""
        before = self._made.get(SEED_OF.get(command, ""))
        other = before is not None and before.seed != settings.seed
        return other or any(not path.is_file() for path in self._files(READS[command]))

    def damaged(self) -> set[str]:
        """The commands whose results, or what these were made of, are damaged."""
        return {name for name, made in self._made.items() if made.value is None or self._is_changed(name)}

    def is_due(self, command: str, settings: Settings, *, damaged: set[str]) -> bool:
        """Whether a command had to do its step: it was missing or damaged, or what decides it has changed.

        Args:
            command: The command.
            settings: Its settings.
            damaged: The steps whose own files were damaged when the command began.
        """
        made = self._made.get(command)
        decides = settings.of(command), self._hashes(command)
        return made is None or command in damaged or (made.settings, made.reads) != decides

    def changed(self) -> set[str]:
        """The commands whose own files are damaged."""
        return {name for name in self._made if self._is_changed(name)}

    def outputs(self) -> list[Path]:
        """The files of all finished steps."""
        return [
            self._run_dir / STEPS[command] / name
            for command in STEPS
            if command in self._made
            for name in _record(self._run_dir / STEPS[command])["outputs"]
        ]

    def finish(self, command: str, settings: Settings) -> None:
        """A step was done: its results are those of an undisturbed one, which is noted."""
        makers = dict.fromkeys(_maker(path) for path in (*READS[command], *DESCRIBES.get(command, ())))
        damaged = self.damaged()
        values = [
            self._made[name].value if name in self._made and name not in damaged else None for name in makers
        ]
        value = None if None in values else (command, settings.of(command), *values)
        if value is not None:
            found = step_results(self._run_dir, command)
            assert self._known.setdefault(value, found) == found, f"{command} with {settings}"
        self._made[command] = Made(value, settings.of(command), self._hashes(command), settings.seed)

    def forget(self, command: str) -> None:
        """A step's folder is gone."""
        self._made.pop(command, None)

    def _files(self, names: tuple[str, ...]) -> list[Path]:
        return [self._run_dir / name.format(table=TABLE) for name in names]

    def _hashes(self, command: str) -> tuple[str, ...]:
        files = self._files((*READS[command], *DESCRIBES.get(command, ())))
        return tuple(sha256(path) if path.is_file() else "" for path in files)

    def _is_changed(self, command: str) -> bool:
        folder = self._run_dir / STEPS[command]
        outputs = _record(folder).get("outputs", {})
        return not outputs or any(
            not (folder / name).is_file() or sha256(folder / name) != value for name, value in outputs.items()
        )


def _maker(path: str) -> str:
    """The command that writes a file."""
    return next(command for command, folder in STEPS.items() if folder == path.partition("/")[0])


def _record(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / "step.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def step_results(run_dir: Path, command: str) -> dict[str, object]:
    """What does not depend on clocks in the results of one command."""
    return results(run_dir, below=f"{STEPS[command]}/")
