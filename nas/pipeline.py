"""Steps of a run: they record their settings and inputs, skip completed work and resume when interrupted.

A step's folder holds its outputs and ``step.json``. The step works in a hidden, partial folder that is
renamed on completion, so a folder under its own name is always complete. An interrupted attempt resumes in
its partial folder if no setting or input has changed since.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from nas.errors import UserError
from nas.files import remove_temporaries, sha256
from nas.locks import locked
from nas.provenance import versions
from nas.records import RECORD, read_record, write_record

SCHEMA = 1
"""Incremented when results of older versions become unusable."""

LOG = logging.getLogger(__name__)


@final
@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a run.

    Attributes:
        name: A name for messages, e.g. ``"supernet"``.
        folder: Folder of the results, e.g. ``run_dir / "supernet"``.
        settings: Everything that affects the result besides the inputs; JSON values.
        inputs: Files that the step reads, by a name for messages. Their content matters, not their path.
        outputs: Names or patterns of the files that the step writes: ``"*"`` is every file in the folder
            itself; a pattern with ``"**"`` may match none. The step is repeated if one is missing or was
            changed.
        run: Does the work in a given folder. It may resume from files there that an interrupted attempt left.
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
        """The folder that keeps the results replaced last."""
        return self.folder.with_name(f"{self.folder.name}.previous")


def execute(step: Step) -> bool:
    """Runs a step unless its results are complete, and logs the reason.

    Args:
        step: The step.

    Returns:
        Whether the step ran.

    Raises:
        UserError: If an input is missing, or another process is running the same step.
    """
    step.folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(step):
        wanted = _fingerprint(step)
        reasons = _reasons(step, wanted)
        if not reasons:
            LOG.info(f"{step.name}: already done, skipped")
            return False
        if step.folder.exists():
            LOG.info(f"{step.name}: done again, because {'; '.join(reasons)}")
        if not _is_complete(step, step.partial, wanted):
            took_s = _work(step, wanted)
            LOG.info(f"{step.name}: done in {took_s:.0f} s")
        _publish(step)
        return True


def _work(step: Step, wanted: dict[str, Any]) -> float:
    """Runs the step in its partial folder and records its outputs; returns its duration in seconds."""
    resumed = read_record(step.partial) == wanted
    if resumed:
        LOG.info(f"{step.name}: resumes where it was interrupted")
        remove_temporaries(step.partial)
    else:
        shutil.rmtree(step.partial, ignore_errors=True)
        step.partial.mkdir()
        write_record(step.partial, wanted)
    start = time.perf_counter()
    try:
        step.run(step.partial)
    except UserError:
        if [path.name for path in step.partial.iterdir()] == [RECORD]:
            shutil.rmtree(step.partial)  # nothing to resume from
        raise
    took_s = time.perf_counter() - start
    remove_temporaries(step.partial)
    written = {output: _matches(step.partial, output) for output in step.outputs}
    missing = [output for output, names in written.items() if not names and "**" not in output]
    assert not missing, f"step {step.name} did not write {missing}"
    result = {
        "outputs": {name: sha256(step.partial / name) for names in written.values() for name in names},
        "seconds": round(took_s, 3),
        "resumed": resumed,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }
    write_record(step.partial, {**wanted, **result})
    return took_s


def _matches(folder: Path, output: str) -> list[str]:
    """Lists the files that match an output's name or pattern, except hidden files and the record."""
    paths = sorted(folder.glob(output)) if "*" in output else [folder / output]
    return [
        path.relative_to(folder).as_posix()
        for path in paths
        if path.is_file() and path.name != RECORD and not path.name.startswith(".")
    ]


def _publish(step: Step) -> None:
    """Renames the partial folder to the step's folder; an older result becomes the previous one."""
    if step.folder.exists():
        shutil.rmtree(step.previous, ignore_errors=True)
        step.folder.rename(step.previous)
    step.partial.rename(step.folder)


def _fingerprint(step: Step) -> dict[str, Any]:
    """Returns everything that the result depends on, as JSON values that equal a record read back."""
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


def differs_only_in(step: Step, *names: str) -> bool:
    """Returns whether the finished results differ from the wanted ones in nothing but these settings."""
    record = read_record(step.folder)
    if record is None:
        return False
    then = record.get("settings", {})
    same = replace(step, settings={**step.settings, **{name: then.get(name) for name in names}})
    return _is_complete(same, step.folder, _fingerprint(same))


def _is_complete(step: Step, folder: Path, wanted: dict[str, Any]) -> bool:
    record = read_record(folder)
    return record is not None and not _changes(record, wanted) and not _damaged(step, folder, record)


def _reasons(step: Step, wanted: dict[str, Any]) -> list[str]:
    """Lists the reasons to run the step; empty if its results are valid."""
    record = read_record(step.folder)
    if record is None:
        return [f"{step.folder.name}/{RECORD} is missing or damaged"]
    return _changes(record, wanted) or _damaged(step, step.folder, record)


def _damaged(step: Step, folder: Path, record: Mapping[str, Any]) -> list[str]:
    hashes = record.get("outputs", {})
    named = [output for output in step.outputs if "*" not in output]
    return [
        f"{name} is missing or was changed"
        for name in dict.fromkeys([*named, *hashes])
        if not (folder / name).is_file() or hashes.get(name) != sha256(folder / name)
    ]


def _changes(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Lists the changes in settings and inputs, e.g. ``train.epochs: 10 -> 20``."""
    old, new = _flat(record.get("settings", {})), _flat(wanted["settings"])
    settings = [
        f"{key}: {_shown(old, key)} -> {_shown(new, key)}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)  # a missing setting equals null: versions add and remove settings
    ]
    before, now = record.get("inputs", {}), wanted["inputs"]
    inputs = [_change_of(name, before, now) for name in now | before if before.get(name) != now.get(name)]
    schema = [] if record.get("schema") == wanted["schema"] else ["it was made by another version"]
    return settings + inputs + schema


def _change_of(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Says how an input differs: other settings may read other files."""
    if name not in before:
        return f"it reads the {name} now"
    return f"the {name} changed" if name in now else f"it does not read the {name} any more"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Flattens nested settings to dotted names."""
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
    """Locks a step's folder for this process; the lock file is removed at the end."""
    path = step.folder.with_name(f".{step.folder.name}.lock")
    busy = f"another process is working on {step.folder}; wait for it, or choose another run_dir"
    with path.open("ab") as stream, locked(stream, busy=busy):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows cannot remove open files; an empty file remains
                path.unlink()
