"""A disk that fills up at any write of any command: one line, nothing half-written, and later it goes on."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas.files import remove
from tests.cli.steps.test_cli_pipeline import Run, write_project
from tests.faults.killing import results
from tests.faults.test_kills import SETTINGS, STEPS
from tests.faults.writes import Writes


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        command: Its name.
        made: What it writes into the run folder.
        words: Settings besides those of all.
    """

    command: str
    made: str
    words: tuple[str, ...] = ()

    def run(self, run: Run) -> tuple[int, str]:
        """Its exit code and what it wrote to the standard error."""
        code, _, err = run.nas(self.command, *SETTINGS, *self.words)
        return code, err


CASES = {
    **{name: Case(name, made) for name, made in STEPS.items()},
    "table, measured": Case("table", "table", ("table.name=null", "table.budget=0.2s")),
    "report": Case("report", "report.html"),
    "measure": Case(
        "measure", "measured", ("measure.files=[runs/mini/deploy/winner.onnx]", "measure.budget=0.1s")
    ),
}


class Filling:
    """Fills a small file system, at once or when a command opens its n-th file there for writing."""

    def __init__(self, folder: Path) -> None:
        self.writes = Writes(folder)
        self._folder, self._ballast = folder, folder / "ballast"

    def watch(self, *, at: int) -> None:
        self.writes.watch(at=at, act=self._fill_up)

    def stop(self) -> None:
        self.writes.stop()
        self._ballast.unlink(missing_ok=True)

    def fill(self, *, left: int) -> None:
        size = shutil.disk_usage(self._folder).free - left
        self._ballast.write_bytes(bytes(max(size, 0)))

    def _fill_up(self) -> None:
        self.writes.stop()
        self.fill(left=0)


@dataclass(frozen=True)
class Disk:
    """A project on a small file system, the same on a large one, and what fills the small one."""

    run: Run
    whole: Run
    filling: Filling

    def reset(self, case: Case) -> None:
        """A run that lacks what the command makes."""
        shutil.rmtree(self.run.folder, ignore_errors=True)
        shutil.copytree(self.whole.folder, self.run.folder, symlinks=True)
        remove(self.run.run_dir / case.made)
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


def undisturbed(disk: Disk, case: Case) -> tuple[int, dict[str, object]]:
    """The number of files that a command opens for writing, and the results."""
    disk.reset(case)
    disk.filling.watch(at=0)
    code, err = case.run(disk.run)
    disk.filling.stop()
    assert code == 0, err
    return disk.filling.writes.count, results(disk.run.run_dir)


def others(run: Run, case: Case) -> dict[str, object]:
    """The results of all other commands."""
    own = (f".{case.made}", case.made)
    return {name: value for name, value in results(run.run_dir).items() if not name.startswith(own)}


def check(
    disk: Disk, case: Case, expected: dict[str, object], *, at: int | None = None, left: int = 0
) -> bool:
    """Runs a command on a disk that fills up, and again with room; returns whether it failed first."""
    disk.reset(case)
    before = others(disk.run, case)
    name = f"nas {case.command}, {f'full at write {at}' if at else f'{left} bytes left'}"
    if at:
        disk.filling.watch(at=at)
    else:
        disk.filling.fill(left=left)
    code, err = case.run(disk.run)
    disk.filling.stop()
    assert code in (0, 2), f"{name}: {err}"
    if code:
        lines = err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), f"{name}: {err}"
        assert "room" in lines[0], f"{name}: {err}"
        assert others(disk.run, case) == before, name
    again, err = case.run(disk.run)
    assert again == 0, f"{name}, then: {err}"
    assert results(disk.run.run_dir) == expected, name
    assert (disk.run.run_dir / case.made).exists(), name
    assert not list(disk.run.run_dir.glob(f"{case.made}/**/.~*")), name
    return bool(code)


@pytest.mark.parametrize("name", ["train", "search", "export"])
def test_a_disk_that_fills_up(disk: Disk, name: str) -> None:
    count, expected = undisturbed(disk, CASES[name])
    assert check(disk, CASES[name], expected, at=random.Random(name).randint(2, count - 1))


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_a_disk_that_fills_up_at_every_write(disk: Disk, name: str) -> None:
    count, expected = undisturbed(disk, CASES[name])
    failed = [check(disk, CASES[name], expected, at=number + 1) for number in range(count)]
    assert any(failed)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_a_disk_with_little_room(disk: Disk, name: str) -> None:
    rng = random.Random(name)
    _, expected = undisturbed(disk, CASES[name])
    for _ in range(20):
        check(disk, CASES[name], expected, left=rng.choice((4096, 40_960, 409_600)) * rng.randint(0, 10))
