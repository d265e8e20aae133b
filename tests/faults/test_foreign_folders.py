"""Runs that another process works on, and folders that may not be written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.files import sha256
from nas.locks import locked
from tests.cli.steps.test_cli_pipeline import Run, write_project
from tests.faults.test_kills import SETTINGS, STEPS
from tests.processes import ROOT, start

WITHOUT_PRIVILEGES = """
import ctypes, os, runpy, sys
if os.geteuid() == 0:  # root may write anywhere
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    assert libc.capset(header, data) == 0
sys.argv[0] = "nas"
runpy.run_module("nas.cli", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("project").resolve()
    write_project(folder)
    run = Run(folder, "")
    code, _, err = run.nas("run", *SETTINGS)
    assert code == 0, err
    return run


@pytest.fixture
def run(whole: Run, tmp_path: Path) -> Run:
    """A run of the test's own."""
    shutil.copytree(whole.folder, tmp_path / "project")
    return Run(tmp_path / "project", "")


def content(run: Run) -> dict[str, str]:
    files = [path for path in run.run_dir.rglob("*") if path.is_file() and path.name != "nas.log"]
    return {str(path): sha256(path) for path in files}


@pytest.mark.parametrize("command", STEPS)
def test_a_second_process_is_refused_and_changes_nothing(run: Run, command: str) -> None:
    lock = run.run_dir / f".{STEPS[command]}.lock"
    with lock.open("ab") as stream, locked(stream):
        before = content(run)
        code, _, err = run.nas(command, *SETTINGS, "finish.batch_size=8")
        assert code == 2
        [line] = err.splitlines()
        assert line.startswith(
            f"error: another process is working on runs/mini/{STEPS[command]}; wait for it"
        ), line
        assert content(run) == before


@pytest.mark.parametrize("command", [*STEPS, "report", "explore", "cost"])
def test_a_run_of_someone_else_may_not_be_written(run: Run, command: str) -> None:
    folders = [run.run_dir, *(path for path in run.run_dir.rglob("*") if path.is_dir())]
    step = STEPS.get(command)
    if step:
        shutil.rmtree(run.run_dir / step)
    for path in folders:
        if path.is_dir():
            path.chmod(0o555)
    before = content(run)
    words = ["-c", WITHOUT_PRIVILEGES, command, *SETTINGS]
    ended = start(*words, folder=run.folder, path=[str(ROOT)]).wait()
    for path in folders:
        if path.is_dir():
            path.chmod(0o755)
    assert ended.returncode == 2, ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: cannot write to "), line
    assert "permission denied" in line
    assert line.endswith("run_dir=FOLDER")
    assert content(run) == before


@pytest.fixture
def read_only(run: Run) -> Iterator[Run]:
    """The same on a disk that is mounted for reading only."""
    bind = ["mount", "--bind", run.folder, run.folder]
    if shutil.which("mount") is None or subprocess.run(bind, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here; root may: mount --bind FOLDER FOLDER")
    subprocess.run(["mount", "-o", "remount,bind,ro", run.folder], check=True)
    yield run
    subprocess.run(["umount", "--lazy", run.folder], check=True)


@pytest.mark.parametrize("command", ["train", "table", "export", "report"])
def test_a_disk_that_is_mounted_for_reading(read_only: Run, command: str) -> None:
    code, _, err = read_only.nas(command, *SETTINGS, "seed=1")
    assert code == 2
    [line] = err.splitlines()
    assert line.startswith("error: cannot write to ") and "read-only file system" in line, line


def test_a_result_of_measuring_where_nothing_may_be_written(read_only: Run, tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    shutil.copytree(read_only.run_dir / "deploy" / "measured" / "kit", kit)
    table = read_only.folder / "table.json"
    ended = start(str(kit / "measure.pyz"), str(kit), str(table), folder=tmp_path).wait()
    assert ended.returncode == 2, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert (
        last == f"error: cannot write {table.with_name('table.samples.jsonl')} (Read-only file system); "
        "name a file in a folder of your own"
    )
