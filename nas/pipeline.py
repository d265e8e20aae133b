"""Steps of a run: what decides their results, when they can be skipped, and how they survive a kill.

A step's folder holds its outputs and ``step.json``. It is made under a hidden, partial name and renamed when
it is complete, so that a folder under its own name is always whole. An attempt that was interrupted goes on
in its partial folder, if nothing that decides the result has changed since.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from nas.errors import UserError
from nas.files import locked, sha256, write_json
from nas.provenance import versions

RECORD = "step.json"
SCHEMA = 1
"""Raised when a result of an older version can no longer be used."""

LOG = logging.getLogger(__name__)


@final
@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a run.

    Attributes:
        name: A word for messages, e.g. ``"supernet"``.
        folder: Where the results go, e.g. ``run_dir / "supernet"``.
        settings: All that decides the result beside the inputs; JSON values.
        inputs: Files that the step reads, by a word for messages. Their content counts, not their path.
        outputs: Names of the files that the step writes, or patterns of them: ``"*"`` is every file in the
            folder itself. The step is done again where one is missing or was changed.
        run: Does the work in the folder that it is given. It may find files there that an interrupted run of
            itself has left, and go on from them.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    inputs: Mapping[str, Path]
    outputs: tuple[str, ...]
    run: Callable[[Path], None]

    @property
    def partial(self) -> Path:
        """The folder in which the work is done."""
        return self.folder.with_name(f".{self.folder.name}.partial")

    @property
    def previous(self) -> Path:
        """Where the results of the settings before are kept."""
        return self.folder.with_name(f"{self.folder.name}.previous")


def execute(step: Step) -> bool:
    """Does a step, unless its results are there already. Logs whether and why.

    Args:
        step: The step.

    Returns:
        Whether there was anything to do.

    Raises:
        UserError: If an input is missing, or another process is at the same step.
    """
    step.folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(step):
        wanted = _fingerprint(step)
        reasons = _reasons(step, wanted)
        if not reasons:
            LOG.info(f"{step.name}: done already, skipped")
            return False
        if step.folder.exists():
            LOG.info(f"{step.name}: done again, because {'; '.join(reasons)}")
        if not _is_complete(step, step.partial, wanted):
            took_s = _work(step, wanted)
            LOG.info(f"{step.name}: done in {took_s:.0f} s")
        _publish(step)
        return True


def _work(step: Step, wanted: dict[str, Any]) -> float:
    """Runs the step in its partial folder and records what came of it; returns the seconds it took."""
    resumed = _read_record(step.partial) == wanted
    if resumed:
        LOG.info(f"{step.name}: goes on where it was interrupted")
    else:
        shutil.rmtree(step.partial, ignore_errors=True)
        step.partial.mkdir()
        write_json(step.partial / RECORD, wanted)
    start = time.perf_counter()
    try:
        step.run(step.partial)
    except UserError:
        if [path.name for path in step.partial.iterdir()] == [RECORD]:
            shutil.rmtree(step.partial)  # nothing to go on from
        raise
    took_s = time.perf_counter() - start
    written = {output: _matches(step.partial, output) for output in step.outputs}
    missing = [output for output, names in written.items() if not names]
    assert not missing, f"step {step.name} did not write {missing}"
    result = {
        "outputs": {name: sha256(step.partial / name) for names in written.values() for name in names},
        "seconds": round(took_s, 3),
        "resumed": resumed,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }
    write_json(step.partial / RECORD, {**wanted, **result})
    return took_s


def _matches(folder: Path, output: str) -> list[str]:
    """The files that an output's name or pattern stands for; hidden ones and the record are none."""
    found = sorted(folder.glob(output)) if "*" in output else [folder / output]
    return [
        path.relative_to(folder).as_posix()
        for path in found
        if path.is_file() and path.name != RECORD and not path.name.startswith(".")
    ]


def _publish(step: Step) -> None:
    """Gives the partial folder its own name; what stood there becomes the previous result."""
    if step.folder.exists():
        shutil.rmtree(step.previous, ignore_errors=True)
        step.folder.rename(step.previous)
    step.partial.rename(step.folder)


def _fingerprint(step: Step) -> dict[str, Any]:
    """What decides the result. It goes through JSON, to equal what is read back."""
    check_inputs(step)
    inputs = {name: sha256(path) for name, path in step.inputs.items()}
    value = {"schema": SCHEMA, "step": step.name, "settings": dict(step.settings), "inputs": inputs}
    return dict(json.loads(json.dumps(value)))


def check_inputs(step: Step) -> None:
    """Raises a ``UserError`` if a file that the step reads is missing."""
    for name, path in step.inputs.items():
        if not path.is_file():
            raise UserError(
                f"{step.name} needs the {name}, but {path} does not exist; `nas run` makes it, "
                "or name the run_dir that holds it"
            )


def _read_record(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _is_complete(step: Step, folder: Path, wanted: dict[str, Any]) -> bool:
    record = _read_record(folder)
    return record is not None and not _changes(record, wanted) and not _damaged(step, folder, record)


def _reasons(step: Step, wanted: dict[str, Any]) -> list[str]:
    """Why the step has to be done; empty if its results are valid."""
    record = _read_record(step.folder)
    if record is None:
        return [f"{step.folder.name}/{RECORD} is missing or damaged"]
    return _changes(record, wanted) or _damaged(step, step.folder, record)


def _damaged(step: Step, folder: Path, record: Mapping[str, Any]) -> list[str]:
    known = record.get("outputs", {})
    named = [output for output in step.outputs if "*" not in output]
    return [
        f"{name} is missing or was changed"
        for name in dict.fromkeys([*named, *known])
        if not (folder / name).is_file() or known.get(name) != sha256(folder / name)
    ]


def _changes(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What decides the result and is no longer the same, e.g. ``train.epochs: 10 -> 20``."""
    old, new = _flat(record.get("settings", {})), _flat(wanted["settings"])
    settings = [
        f"{key}: {_shown(old, key)} -> {_shown(new, key)}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)  # without a value is as null: settings come and go with versions
    ]
    before, now = record.get("inputs", {}), wanted["inputs"]
    inputs = [f"the {name} changed" for name in now | before if before.get(name) != now.get(name)]
    schema = [] if record.get("schema") == wanted["schema"] else ["it was made by another version"]
    return settings + inputs + schema


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level, with dotted names."""
    if not isinstance(value, dict) or not value:
        return {prefix: value} if prefix else {}
    return {
        name: item
        for key, below in value.items()
        for name, item in _flat(below, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def _shown(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key]) if key in values else "(not set)"


@contextmanager
def _lock(step: Step) -> Iterator[None]:
    """Holds a step's folder for this process; the lock file is removed at the end."""
    path = step.folder.with_name(f".{step.folder.name}.lock")
    busy = f"another process is working on {step.folder}; wait for it, or choose another run_dir"
    with path.open("ab") as stream, locked(stream, busy=busy):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no open files; an empty file is left
                path.unlink()
