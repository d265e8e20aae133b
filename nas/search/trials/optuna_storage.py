"""Storages of studies: a journal file, a database by its URL, or a gRPC proxy in front of one.

All are ordinary Optuna storages, which Optuna's dashboard and plots can open.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, final
from urllib.parse import urlsplit

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from nas.errors import UserError, unknown
from nas.files import append_lines, drop_partial_line
from nas.masking import masked
from nas.search.trials.ledger import FACTS, STUDY

if TYPE_CHECKING:
    from optuna.study import Study

    from nas.search.goals.pareto import Direction

_BEGINNING = b'{"op_code":'
_FINISHES = (4, 6)  # Optuna's codes for a new trial and for a new state
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql", "grpc": "grpc", "google": "grpc"}
_LIBRARIES = {"sqlalchemy", "psycopg", "pymysql", "grpc"}
_GRPC_PORT = 13000
_WAIT_S = 5.0
_TRIES = 3


@final
class JournalFile(BaseJournalBackend):
    """Optuna's journal file, safe against workers that are killed while they write or hold the lock.

    A trial's attributes are flushed together with its final state, so one evaluation waits for the disk twice
    instead of ten times.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _require_journal(path)
        drop_partial_line(path)
        self._reader = JournalFileBackend(str(path))  # creates the file; its own lock is never used

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        return self._reader.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        append_lines(self._path, lines, sync=any(log["op_code"] in _FINISHES for log in logs))


def _require_journal(path: Path) -> None:
    """Raises a ``UserError`` for a file that does not start like a journal, before it is repaired."""
    if path.is_file():
        with path.open("rb") as stream:
            head = stream.read(len(_BEGINNING))
        if not _BEGINNING.startswith(head):  # a killed worker may leave part of the first line
            raise _no_journal(path, "it begins otherwise")


def is_address(storage: str) -> bool:
    """Returns whether a storage is a URL rather than the path of a journal file."""
    return "://" in storage


def open_storage(storage: str) -> BaseStorage:
    """Opens a storage.

    Args:
        storage: The path of a journal file, in an existing folder; a database's URL for SQLAlchemy, such as
            ``postgresql://user@host/name``; or ``grpc://host:port``.

    Raises:
        UserError: If the storage cannot be reached, used or parsed, or a package is missing.
    """
    scheme = urlsplit(storage).scheme if is_address(storage) else ""
    opener = {"": _open_file, "grpc": _open_proxy}.get(scheme, _open_database)
    with storage_faults(storage, opening=True):
        return opener(storage)


def open_study(
    storage: BaseStorage, name: str, *, directions: Sequence[Direction], facts: Mapping[str, Any], place: str
) -> Study:
    """Opens or creates the study of that name.

    Args:
        storage: The storage.
        name: The study's name.
        directions: ``"maximize"`` or ``"minimize"`` for each objective.
        facts: What must match for a search to resume, as JSON values.
        place: The storage's name in messages.

    Raises:
        UserError: If the storage cannot be read or written, or the study belongs to another search or
            program; such a study is not changed.
    """
    check_study(storage, name, directions=directions, facts=facts, place=place)
    with storage_faults(place, opening=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            study_name=name, storage=storage, directions=list(directions), load_if_exists=True
        )
        if FACTS not in study.user_attrs:
            study.set_user_attr(FACTS, dict(facts))
            if names := [objective["name"] for objective in facts.get("objectives", ())]:
                study.set_metric_names(names)
        written = study.user_attrs[FACTS]
    _check_facts(_where(name, place), written, facts)  # another worker may have written them first
    return study


def check_study(
    storage: BaseStorage, name: str, *, directions: Sequence[Direction], facts: Mapping[str, Any], place: str
) -> None:
    """Checks, without writing, that a search may create or continue a study.

    The arguments are those of ``open_study``.

    Raises:
        UserError: If the storage cannot be read, or the study belongs to another search or program.
    """
    with storage_faults(place, opening=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if all(study.study_name != name for study in storage.get_all_studies()):
            return
        study = optuna.load_study(study_name=name, storage=storage)
        # A worker writes facts, names and trials in this order. Read in reverse, a study that another worker
        # is creating never appears to have trials without facts.
        is_used = bool(study.get_trials(deepcopy=False)) or bool(study.metric_names)
        attributes = study.user_attrs
        is_unlike = [each.name.lower() for each in study.directions] != list(directions)
    is_foreign = is_used or attributes or is_unlike
    if FACTS in attributes:
        is_foreign = not isinstance(attributes[FACTS], Mapping)
    if is_foreign:
        raise _foreign(name, place)
    if FACTS in attributes:
        _check_facts(_where(name, place), attributes[FACTS], facts)


def _where(name: str, place: str) -> str:
    return masked(place if name == STUDY else f"study {name} in {place}")


def _check_facts(where: str, written: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    for name, value in json.loads(json.dumps(dict(facts))).items():
        if name not in written or written[name] != value:
            raise UserError(
                f"{where} belongs to a search with {name} {written.get(name)!r}, not {value!r}; "
                "continue it as it was begun, or choose another run_dir or study"
            )


def _foreign(name: str, place: str) -> UserError:
    remedy = (
        "give this search a study of its own: search.study=NAME, or null for a name that follows from it"
        if is_address(place)
        else "choose another file for search.storage"
    )
    return UserError(f"{_where(name, place)} was created by another program and is left as it is; {remedy}")


@contextmanager
def storage_faults(place: str, *, opening: bool = False) -> Iterator[None]:
    """Turns a storage's errors into one line: the storage, the fault and the remedy.

    Args:
        place: The storage.
        opening: Whether the body reads it for the first time, and may find a file that is not a journal.

    Raises:
        UserError: In place of the storage's own error.
    """
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        package = str(error.name).partition(".")[0]
        extra = _EXTRAS.get(package)
        if extra is None:
            raise
        raise UserError(
            f"the storage {masked(place)} needs the package {package}: pip install 'hwnas[{extra}]'"
        ) from None
    except Exception as error:
        if not _is_fault(error, damaged=opening and not is_address(place)):
            raise
        raise _fault(place, error) from None


def _fault(place: str, error: Exception) -> UserError:
    reason = masked(_reason(error))
    if is_address(place):
        return UserError(
            f"the storage {masked(place)} cannot be used ({reason}); check that it is reachable and that its "
            "user may create and write tables, then search again: finished evaluations are kept"
        )
    if isinstance(error, OSError):
        return UserError(
            f"the journal {place} cannot be used ({reason}); choose a writable folder with room in it, then "
            "search again: finished evaluations are kept"
        )
    return _no_journal(place, reason)


def _no_journal(place: str | Path, reason: str) -> UserError:
    return UserError(
        f"{place} is not a journal of a search, or is damaged ({reason}); move it away, "
        "or choose another run_dir or search.storage"
    )


def _reason(error: Exception) -> str:
    details = getattr(error, "details", None)  # of gRPC's errors, whose full text is a page long
    texts = (details() if callable(details) else "", error.__cause__, error)
    lines = (line.strip() for text in texts for line in str(text or "").splitlines())
    return next((line for line in lines if line), type(error).__name__)


def _is_fault(error: Exception, *, damaged: bool) -> bool:
    """Returns whether an error comes from a storage: its driver, the network or a damaged file."""
    if isinstance(error, OSError | optuna.exceptions.StorageInternalError):
        return True
    if {cls.__module__.partition(".")[0] for cls in type(error).__mro__} & _LIBRARIES:
        return True
    return damaged and isinstance(error, (KeyError, TypeError, AssertionError, ValueError))


def _open_file(storage: str) -> BaseStorage:
    return JournalStorage(JournalFile(Path(storage)))


def _open_proxy(storage: str) -> BaseStorage:
    from optuna.storages import GrpcStorageProxy

    address = urlsplit(storage)
    try:
        port = address.port or _GRPC_PORT
    except ValueError as error:
        raise UserError(f"the storage {masked(storage)} has no port that can be read: {error}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        proxy = GrpcStorageProxy(host=address.hostname or "localhost", port=port)
    proxy.wait_server_ready(timeout=_WAIT_S)
    return proxy


def _open_database(storage: str) -> BaseStorage:
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    scheme, _, rest = storage.partition("://")
    url = f"{_DRIVERS.get(scheme, scheme)}://{rest}"
    try:
        return _again(lambda: optuna.storages.get_storage(_database(url)))
    except (ArgumentError, NoSuchModuleError):
        raise unknown("kind of storage", scheme, ("postgresql", "mysql", "sqlite", "grpc")) from None


def _database(url: str) -> BaseStorage:
    return optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True})


def _again(make: Callable[[], BaseStorage]) -> BaseStorage:
    """Retries, because only one of several workers that create the tables at once succeeds."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for _ in range(_TRIES):
        try:
            return make()
        except (IntegrityError, ProgrammingError):
            time.sleep(1.0)
    return make()
