"""Storages that cannot be used, or hold something else, are told of in one line, without passwords."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest

from nas.errors import UserError
from nas.files import append_lines, drop_partial_line
from nas.masking import masked, masked_values
from nas.search import Goals, Objective, Problem, Shared, Study, make_sampler, search
from nas.search.trials.optuna_storage import open_storage, open_study, storage_faults
from nas.space import SearchSpace
from tests.search.problems import CLASSES, objectives, tiny
from tests.search.trials.mariadb import mariadb
from tests.search.trials.postgresql import postgresql
from tests.search.trials.servers import PASSWORD


def run(
    folder: Path,
    storage: str,
    *,
    study: str | None = None,
    goals: Sequence[Objective] | None = None,
    space: SearchSpace | None = None,
    data: str = "digits",
    sampler: str = "random",
    trials: int = 3,
    control: bool = False,
) -> None:
    searched = Study(
        problem=Problem(space or tiny(), CLASSES),
        goals=Goals(goals or objectives()),
        sampler=make_sampler(sampler),
        trials=trials,
        seed=0,
        context={"data": data},
        control=control,
    )
    search(searched, folder=folder, shared=Shared(storage=storage, study=study))


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", r"storage postgresql://me:\*\*\*@127.* Connection refused"),
        ("mysql://me:secret@127.0.0.1:1/x", r"storage mysql://me:\*\*\*@127.*onnect"),
        ("grpc://127.0.0.1:port", "has no port that can be read"),
        (
            "nosql://me:secret@host",
            r"unknown kind of storage 'nosql'.*; allowed: grpc, mysql, postgresql, sqlite",
        ),
        ("/no/such/folder/journal.log", r"the journal /no/such.*cannot be used.*choose a writable folder"),
        ("sqlite:////no/such/folder/x.db", "unable to open database file"),
    ],
)
def test_what_cannot_be_reached_is_named(storage: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        open_storage(storage)
    assert "secret" not in str(caught.value)


def test_a_missing_driver_names_the_extra() -> None:
    error = ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
    with (
        pytest.raises(UserError, match=r"needs the package psycopg: pip install 'hwnas\[postgresql\]'"),
        storage_faults("postgresql://host/x"),
    ):
        raise error


def test_bugs_are_not_taken_for_faults_of_a_storage(tmp_path: Path) -> None:
    with pytest.raises(KeyError), storage_faults(str(tmp_path / "journal.log")):
        raise KeyError("a bug")


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_study_of_another_search_is_refused(kind: str, tmp_path: Path) -> None:
    storage = str(tmp_path / "journal.log") if kind == "journal" else f"sqlite:///{tmp_path}/studies.db"
    run(tmp_path, storage, study="mine")
    with pytest.raises(UserError, match="belongs to a search with data 'digits', not 'cifar10'"):
        run(tmp_path, storage, study="mine", data="cifar10")
    with pytest.raises(UserError, match="belongs to a search with objectives"):
        run(tmp_path, storage, study="mine", goals=objectives(bound_ms=1.0))
    with pytest.raises(UserError, match="belongs to a search with space 'tiny_32 "):
        run(tmp_path, storage, study="mine", space=SearchSpace.load("tiny_24"))
    with pytest.raises(
        UserError, match=r"belongs to a search with sampler \{'name': 'random'\}, not .*'nsga2'"
    ):
        run(tmp_path, storage, study="mine", sampler="nsga2")
    run(tmp_path, storage, study="mine", trials=4)


def test_a_study_that_another_worker_created_meanwhile_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check before the study is opened sees none."""
    monkeypatch.setattr("nas.search.trials.optuna_storage.check_study", lambda *_, **__: None)
    storage = open_storage(str(tmp_path / "journal.log"))
    for data, match in (
        ("digits", None),
        ("cifar10", "belongs to a search with data 'digits', not 'cifar10'"),
    ):
        with nullcontext() if match is None else pytest.raises(UserError, match=match):
            open_study(storage, "mine", directions=["maximize"], facts={"data": data}, place="here")


def create_foreign(
    storage: str, name: str, *, directions: Sequence[str], trials: int, attributes: dict[str, Any]
) -> None:
    study = optuna.create_study(study_name=name, storage=open_storage(storage), directions=list(directions))
    for _ in range(trials):
        study.add_trial(optuna.create_trial(values=[0.5] * len(directions)))
    for key, value in attributes.items():
        study.set_user_attr(key, value)


def content(storage: str) -> list[object]:
    """All that a storage holds."""
    opened = open_storage(storage)
    return [(vars(study), opened.get_all_trials(study._study_id)) for study in opened.get_all_studies()]


BOTH = ["maximize", "minimize"]


@pytest.mark.parametrize(
    ("kind", "of_control", "directions", "trials", "attributes"),
    [
        ("sqlite", False, ["minimize"], 2, {}),
        ("sqlite", True, ["minimize"], 2, {}),
        ("journal", False, ["minimize"], 0, {}),
        ("journal", False, BOTH, 2, {}),
        ("journal", True, BOTH, 0, {"owner": "somebody else"}),
        ("journal", True, BOTH, 1, {"facts": "of another kind"}),
    ],
)
def test_a_study_of_another_program_is_not_touched(
    kind: str,
    of_control: bool,
    directions: list[str],
    trials: int,
    attributes: dict[str, Any],
    tmp_path: Path,
) -> None:
    if kind == "journal":
        storage, name = str(tmp_path / "journal.log"), "search"
        theirs = str(tmp_path / "control.log") if of_control else storage
    else:
        storage = theirs = f"sqlite:///{tmp_path}/studies.db"
        name = "theirs-control" if of_control else "theirs"
    create_foreign(theirs, name, directions=directions, trials=trials, attributes=attributes)
    before = content(theirs)
    with pytest.raises(UserError, match="was created by another program and is left as it is"):
        run(tmp_path / "search", storage, study="theirs", control=True)
    assert content(theirs) == before
    assert theirs == storage or not Path(storage).exists(), "nothing was begun"


def test_an_empty_study_that_a_worker_left_is_taken_over(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/studies.db"
    create_foreign(storage, "mine", directions=["maximize", "minimize"], trials=0, attributes={})
    run(tmp_path, storage, study="mine")


@pytest.mark.parametrize("text", ["notes\nand a last line without an end", "\x00\x01", "{}"])
def test_a_file_that_is_no_journal_is_not_touched(text: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=r"notes.txt is not a journal of a search.*choose another run_dir or"):
        run(tmp_path / "search", str(path))
    assert path.read_text() == text


def test_searches_for_different_things_share_a_database(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/studies.db"
    run(tmp_path / "a", storage)
    run(tmp_path / "b", storage, data="cifar10")
    run(tmp_path / "c", storage)
    run(tmp_path / "d", storage, sampler="nsga2")
    run(tmp_path / "e", storage, trials=4)
    names = {study.study_name for study in open_storage(storage).get_all_studies()}
    assert len(names) == 3
    assert all(name.startswith("tiny_32-") for name in names)


def test_a_database_that_may_only_be_read_is_refused(tmp_path: Path) -> None:
    import psycopg

    with postgresql(tmp_path / "database") as storage:
        open_storage(storage)  # makes the tables
        with psycopg.connect(storage) as connection:
            connection.execute("create role reader login password 'reader-secret'")
            connection.execute("grant select on all tables in schema public to reader")
        readers = storage.replace(f"me:{PASSWORD}", "reader:reader-secret")
        with pytest.raises(
            UserError, match=r"reader:\*\*\*@.*permission denied.* may create and write"
        ) as caught:
            run(tmp_path / "search", readers)
    assert "reader-secret" not in str(caught.value)


def test_a_mariadb_server_that_may_only_be_read_is_refused(tmp_path: Path) -> None:
    with mariadb(tmp_path / "database") as storage:
        open_storage(storage)  # makes the tables
        with pytest.raises(UserError, match=r"reader:\*\*\*@.* denied .* may create and write") as caught:
            run(tmp_path / "search", storage.replace("me:", "reader:"))
    assert PASSWORD not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here; Linux has it")
def test_a_full_disk_says_so(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.symlink_to("/dev/full")
    with (
        pytest.raises(UserError, match=r"No space left on device.*finished evaluations are kept"),
        storage_faults(str(path)),
    ):
        append_lines(path, ["{}"])


def test_a_journal_that_may_only_be_read_is_refused(tmp_path: Path) -> None:
    if os.getuid() == 0:
        with pytest.raises(UserError, match=r"cannot be used"), storage_faults("journal.log"):
            raise PermissionError(13, "Permission denied")
        return
    run(tmp_path, str(tmp_path / "journal.log"))
    (tmp_path / "journal.log").chmod(0o444)
    with pytest.raises(UserError, match="Permission denied"):
        run(tmp_path, str(tmp_path / "journal.log"))


def test_lines_of_many_writers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("first\ncut o")
    threads = [
        threading.Thread(target=lambda n=n: [append_lines(path, [f"{n}" * 5000]) for _ in range(5)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text().splitlines()
    assert lines[0] == "first"
    assert sorted(lines[1:]) == sorted(f"{n}" * 5000 for n in range(4) for _ in range(5))


@pytest.mark.parametrize(
    ("before", "after"), [("a\nb", "a\n"), ("a\nb\n", "a\nb\n"), ("b" * 9000, ""), ("", "")]
)
def test_a_line_without_an_end_is_cut_off(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "lines"
    path.write_text(before)
    drop_partial_line(path)
    assert path.read_text() == after


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:a@b/c@host:5/x", "postgresql://me:***@host:5/x"),
        ("mysql+pymysql://:pw@host", "mysql+pymysql://:***@host"),
        ("postgresql://host/x?user=me&password=pw&b=1", "postgresql://host/x?user=me&password=***&b=1"),
        ("postgresql://me@host/x", "postgresql://me@host/x"),
        ("see https://a.b/c: d", "see https://a.b/c: d"),
    ],
)
def test_passwords_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked_values({"a": [text, 1], "b": (None,)}) == {"a": [shown, 1], "b": [None]}


def test_the_objectives_have_their_names_in_the_study(tmp_path: Path) -> None:
    run(tmp_path, str(tmp_path / "journal.log"))
    study = optuna.load_study(study_name="search", storage=open_storage(str(tmp_path / "journal.log")))
    assert study.metric_names == ["accuracy", "latency_ms"]
