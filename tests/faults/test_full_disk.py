"""A disk that fills up at any write of any command: one line, nothing half-written, and later it goes on.

Python's audit hook sees each file that a command opens for writing: new ones are on the list by themselves.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas.files import remove
from tests.cli.steps.test_cli_pipeline import Run, write_project
from tests.faults.killing import results
from tests.faults.test_kills import SETTINGS, STEPS

MADE = {**STEPS, "report": "report.html"}
"""What each command writes."""


class Filling:
    """Fills a small file system when a command opens its n-th file there for writing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.at, self.count = folder, 0, 0
        self._ballast = folder / "ballast"
        self._watches = False
        sys.addaudithook(self._note)

    def watch(self, *, at: int) -> None:
        self.at, self.count, self._watches = at, 0, True

    def stop(self) -> None:
        self._watches = False
        self._ballast.unlink(missing_ok=True)

    def fill(self, *, left: int) -> None:
        size = shutil.disk_usage(self.folder).free - left
        self._ballast.write_bytes(bytes(max(size, 0)))

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._watches or event != "open" or not self._is_write(*arguments):
            return
        self.count += 1
        if self.count == self.at:
            self._watches = False
            self.fill(left=0)

    def _is_write(self, path: object, mode: object, flags: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        writes = (
            bool(set(str(mode)) & set("wax+")) if mode else bool(int(str(flags)) & (os.O_WRONLY | os.O_RDWR))
        )
        return writes and Path(os.fsdecode(path)).absolute().is_relative_to(self.folder)


@dataclass(frozen=True)
class Disk:
    """A project on a small file system, the same on a large one, and what fills the small one."""

    run: Run
    whole: Run
    filling: Filling

    def reset(self, command: str) -> None:
        """A run that lacks what the command makes."""
        shutil.rmtree(self.run.folder, ignore_errors=True)
        shutil.copytree(self.whole.folder, self.run.folder, symlinks=True)
        remove(self.run.run_dir / MADE[command])
        for path in self.run.run_dir.rglob("*.previous"):
            remove(path)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    large, small = tmp_path_factory.mktemp("large").resolve(), tmp_path_factory.mktemp("small").resolve()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(small)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(f"no file system can be mounted here; root may: {' '.join(mount)}")
    write_project(large / "project")
    whole = Run(large / "project", "")
    code, _, err = whole.nas("run", *SETTINGS)
    assert code == 0, err
    yield Disk(Run(small / "project", ""), whole, Filling(small))
    subprocess.run(["umount", "--lazy", small], check=True)


def writes(disk: Disk, command: str) -> int:
    """The number of files that a command opens for writing."""
    disk.reset(command)
    disk.filling.watch(at=0)
    code, _, err = disk.run.nas(command, *SETTINGS)
    disk.filling.stop()
    assert code == 0, err
    return disk.filling.count


def others(run: Run, command: str) -> dict[str, object]:
    """The results of all other commands."""
    own = (f".{MADE[command]}", MADE[command])
    return {name: value for name, value in results(run.run_dir).items() if not name.startswith(own)}


def check(disk: Disk, command: str, *, at: int | None = None, left: int = 0) -> bool:
    """Runs a command on a disk that fills up, and again with room; returns whether it failed first."""
    disk.reset(command)
    before = others(disk.run, command)
    case = f"nas {command}, {f'full at write {at}' if at else f'{left} bytes left'}"
    if at:
        disk.filling.watch(at=at)
    else:
        disk.filling.fill(left=left)
    code, _, err = disk.run.nas(command, *SETTINGS)
    disk.filling.stop()
    assert code in (0, 2), f"{case}: {err}"
    if code:
        lines = err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), f"{case}: {err}"
        assert "room" in lines[0], f"{case}: {err}"
        assert others(disk.run, command) == before, case
    again, _, err = disk.run.nas(command, *SETTINGS)
    assert again == 0, f"{case}, then: {err}"
    assert results(disk.run.run_dir) == results(disk.whole.run_dir), case
    return bool(code)


COMMANDS = ("train", "table", "search", "scale", "finish", "export", "report")


@pytest.mark.parametrize("command", ["train", "search", "export"])
def test_a_disk_that_fills_up(disk: Disk, command: str) -> None:
    rng = random.Random(command)
    assert check(disk, command, at=rng.randint(2, writes(disk, command) - 1))


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_fills_up_at_every_write(disk: Disk, command: str) -> None:
    failed = [check(disk, command, at=number + 1) for number in range(writes(disk, command))]
    assert any(failed)


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_with_little_room(disk: Disk, command: str) -> None:
    rng = random.Random(command)
    for _ in range(20):
        check(disk, command, left=rng.choice((4096, 40_960, 409_600)) * rng.randint(0, 10))
