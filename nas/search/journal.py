"""The journal: every finished trial of a search, on disk the moment it is finished.

It is an ordinary Optuna journal storage, which Optuna's dashboard and plots can open. The search itself runs
on a study in memory, which is ten times as fast, and copies each finished trial here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from nas.errors import UserError
from nas.search.pareto import Direction

STUDY = "search"
_FACTS = "facts"


@final
class Journal:
    """The finished trials of one search, in the order in which they finished."""

    def __init__(self, path: Path, *, facts: Mapping[str, Any], directions: Sequence[Direction]) -> None:
        """Opens a journal, or starts one.

        Args:
            path: The file, in a folder that exists.
            facts: What a search must have in common with the one that it continues, as JSON values.
            directions: ``"maximize"`` or ``"minimize"`` for each objective.

        Raises:
            UserError: If the file cannot be read or written, or belongs to another search.
        """
        self._path = path
        try:
            _drop_partial_line(path)
            self._study = _open_study(path, facts, directions)
        except OSError as error:
            raise UserError(
                f"the journal {path} cannot be used ({error}); choose a writable folder"
            ) from None
        _check_facts(path, self._study.user_attrs[_FACTS], facts)

    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """All finished trials."""
        return self._study.get_trials(deepcopy=False)

    def append(self, trial: optuna.trial.FrozenTrial) -> None:
        """Adds a finished trial; on return it is on disk.

        Raises:
            UserError: If it cannot be written.
        """
        try:
            self._study.add_trial(trial)
        except OSError as error:
            raise UserError(
                f"the journal {self._path} cannot be written ({error}); make room and start the search "
                "again: finished trials are kept"
            ) from None


@contextmanager
def only_searcher(folder: Path) -> Iterator[None]:
    """Holds a folder for one search; the system lets go of it however the process ends.

    Raises:
        UserError: If another process is searching in the folder.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("w")
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error}); choose a writable run_dir") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"another search is running in {folder}; wait for it, or choose another run_dir"
            ) from None
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Optuna from logging each trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _open_study(path: Path, facts: Mapping[str, Any], directions: Sequence[Direction]) -> optuna.Study:
    lock = JournalFileOpenLock(str(path))
    Path(f"{path}.lock").unlink(missing_ok=True)  # left by a process that was killed; see only_searcher
    try:
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        known = [study.study_name for study in optuna.get_all_study_summaries(storage)]
        if STUDY in known:
            study = optuna.load_study(study_name=STUDY, storage=storage)
        else:
            study = optuna.create_study(study_name=STUDY, storage=storage, directions=list(directions))
    except (
        json.JSONDecodeError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
        AssertionError,
        ValueError,
    ) as error:
        raise UserError(
            f"{path} is not a journal of a search, or is damaged ({error}); move it away, "
            "or choose another run_dir"
        ) from None
    if _FACTS not in study.user_attrs:
        study.set_user_attr(_FACTS, dict(facts))
    return study


def _check_facts(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in json.loads(json.dumps(dict(wanted))).items():
        if name not in found or found[name] != value:
            raise UserError(
                f"{path} belongs to a search with {name} {found.get(name)!r}, not {value!r}; "
                "continue it as it was begun, or choose another run_dir"
            )


def _drop_partial_line(path: Path) -> None:
    """Cuts off a last line without an end: what a killed process was writing."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        content = stream.read()
        if content and not content.endswith(b"\n"):
            stream.truncate(content.rfind(b"\n") + 1)
            stream.flush()
            os.fsync(stream.fileno())
