"""Locks: one process holds them, a dead one does not, and a file system needs not have any."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.files import append_lines
from nas.locks import locked
from tests.processes import ROOT, Started, start

NO_LOCKS = """
import errno, fcntl
def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
"""
"""A network file system without locks."""

HOLD = """
import os, sys, time
from pathlib import Path
from nas.locks import locked
with open("lock", "ab") as stream, locked(stream, busy="busy"):
    if "fork" in sys.argv and os.fork() == 0:
        Path("child").write_text(str(os.getpid()))
        time.sleep(60)
    Path("held").touch()
    time.sleep(60)
"""


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def holder(folder: Path, *words: str, before: str = "") -> Started:
    """A process that holds a lock."""
    process = start("-c", before + HOLD, *words, folder=folder, path=[str(ROOT)])
    end = time.monotonic() + 60
    while not (folder / "held").exists():
        assert process.runs_for(0.01) and time.monotonic() < end, process.wait().stderr
    return process


def is_free(folder: Path) -> bool:
    try:
        with (folder / "lock").open("ab") as stream, locked(stream, busy="busy"):
            return True
    except UserError:
        return False


def test_a_locked_file_is_busy_for_others_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("ab") as first, path.open("ab") as second:
        with locked(first), pytest.raises(UserError, match="try later"), locked(second, busy="try later"):
            pytest.fail("held twice")
        with locked(second, busy="try later"):
            pass


def test_those_who_share_a_lock_keep_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        path.open("ab") as first,
        path.open("ab") as second,
        path.open("ab") as third,
        locked(first, shared=True, busy="a"),
        locked(second, shared=True, busy="b"),
        pytest.raises(UserError, match="c"),
        locked(third, busy="c"),
    ):
        pytest.fail("held by others")


def test_a_lock_file_that_was_removed_protects_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("ab") as stream:
        path.unlink()
        with pytest.raises(UserError, match="busy"), locked(stream, busy="busy"):
            pytest.fail("nobody else would see this lock")


def test_a_process_that_the_holder_has_forked_does_not_hold_it(tmp_path: Path) -> None:
    process = holder(tmp_path, "fork")
    while not (tmp_path / "child").exists() or not (child := (tmp_path / "child").read_text()):
        time.sleep(0.01)
    assert not is_free(tmp_path)
    assert process.kill(after_s=0)
    assert Path(f"/proc/{child}").exists()
    assert is_free(tmp_path)
    os.kill(int(child), signal.SIGKILL)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_of_the_system_a_dead_process_holds_none(tmp_path: Path) -> None:
    process = holder(tmp_path, before=NO_LOCKS)
    assert not is_free(tmp_path)
    assert process.kill(after_s=0)
    assert is_free(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held", "lock"]


@pytest.mark.usefixtures("no_locks")
def test_without_locks_of_the_system_a_process_elsewhere_is_named(tmp_path: Path) -> None:
    (tmp_path / ".lock.holder").write_text("another-1234abcd/17/99")
    with (
        (tmp_path / "lock").open("ab") as stream,
        pytest.raises(UserError, match=r"^busy \(.*\.lock\.holder names another-1234abcd/17/99; delete"),
        locked(stream, busy="busy"),
    ):
        pytest.fail("held by another machine")


@pytest.mark.usefixtures("no_locks")
def test_without_locks_of_the_system_lines_are_whole(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from nas.files import append_lines
for _ in range(50):
    append_lines(Path("lines"), ["x" * 5000], sync=False)
"""
    writers = [start("-c", NO_LOCKS + code, folder=tmp_path, path=[str(ROOT)]) for _ in range(3)]
    append_lines(tmp_path / "lines", ["x" * 5000])
    for writer in writers:
        assert writer.wait().returncode == 0
    assert (tmp_path / "lines").read_text() == ("x" * 5000 + "\n") * 151


@pytest.mark.usefixtures("no_locks")
def test_a_file_system_that_can_lock_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with (
        (tmp_path / "lock").open("ab") as stream,
        pytest.raises(UserError, match=r"has neither locks nor hard links, .*; name a folder on another one"),
        locked(stream, busy="busy"),
    ):
        pytest.fail("two processes could hold it")
