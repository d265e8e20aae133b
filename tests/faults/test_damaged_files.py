"""Every file that a command reads, damaged: an error names what to do, or the command makes it again.

The list of files comes from the commands themselves: Python's audit hook sees each file that is opened. A new
file is on it as soon as a command reads it.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.files import sha256
from tests.cli.steps.test_cli_pipeline import STEPS, Run, write_project

SETTINGS = ("experiment=mini", "table.missing=estimate", "finish.workers=1", "export.formats=[onnx]")
COMMANDS = ("table", "search", "scale", "report", "explore", "export", "finish", "train", "cost")
"""Commands that read files of a run, the quickest first."""

EXPECTED = {
    "conf/experiment/mini.yaml",
    "search_spaces/mini.yaml",
    "runs/mini/supernet/weights.safetensors",
    "runs/mini/table/mini-this_machine.json",
    "runs/mini/search/winner.json",
    "runs/mini/search/trials.csv",
    "runs/mini/scale/scale.json",
    "runs/mini/final/results.json",
    "runs/mini/final/winner.safetensors",
    "runs/mini/deploy/manifest.json",
    "runs/mini/deploy/winner.onnx",
    "runs/mini/provenance.json",
    "runs/mini/table/step.json",
}
"""Some of the files, so that a hook that sees nothing fails."""


class Watch:
    """Notes the files below a folder that are opened for reading while a command is named."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.command = folder, ""
        self.read: dict[str, list[str]] = {}
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.command or event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        path, mode = Path(os.fsdecode(arguments[0])).absolute(), arguments[1]
        if path.is_relative_to(self.folder) and (mode is None or "r" in str(mode)) and path.is_file():
            commands = self.read.setdefault(path.relative_to(self.folder).as_posix(), [])
            if self.command not in commands:
                commands.append(self.command)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, list[str]]]:
    """A finished run, and the commands that read each of its files."""
    folder = tmp_path_factory.mktemp("project").resolve()
    write_project(folder)
    run = Run(folder, "")
    code, _, err = run.nas("run", *SETTINGS)
    assert code == 0, err
    watch = Watch(folder)
    for command in COMMANDS:
        watch.command = command
        code, _, err = run.nas(command, *SETTINGS)
        assert code == 0, err
    watch.command = ""
    return run, watch.read


def damages(data: bytes, *, flips: int, cuts: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Some of the ways in which a file can be damaged, by name."""
    rng = random.Random(seed)
    for number in range(cuts):
        kept = len(data) * number // cuts
        yield f"cut to {kept} bytes", data[:kept]
    for _ in range(flips):
        position, bit = rng.randrange(len(data)), rng.randrange(8)
        changed = bytearray(data)
        changed[position] ^= 1 << bit
        yield f"bit {bit} of byte {position} changed", bytes(changed)


def check(finished: Run, folder: Path, *, name: str, command: str, how: str, data: bytes) -> None:
    """Damages one file of a copy of the run and runs a command, which ends well or names a remedy."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(finished.folder, folder)
    (folder / name).write_bytes(data)
    run = Run(folder, "")
    before = results(folder)
    code, out, err = run.nas(command, *SETTINGS)
    case = f"{command} with {name} {how}: {err}"
    assert code in (0, 2), case
    if code == 2:
        assert err.startswith("error: "), case
        assert err.strip().count("\n") == 0, case
        assert results(folder) == before, f"{case}: results changed"
    elif name.startswith("runs/mini/") and is_hashed(name, command):
        assert "done again" in out or (folder / name).read_bytes() == data, case


def results(folder: Path) -> dict[str, str]:
    """The hash of each file of the steps."""
    run = folder / "runs" / "mini"
    return {str(path): sha256(path) for step in STEPS for path in (run / step).rglob("*") if path.is_file()}


def is_hashed(name: str, command: str) -> bool:
    """Whether the command's own step has recorded the file's hash."""
    own = {"train": "supernet", "finish": "final", "export": "deploy"}.get(command, command)
    return Path(name).parts[2] == own


def test_the_list_holds_what_commands_are_known_to_read(finished: tuple[Run, dict[str, list[str]]]) -> None:
    assert finished[1].keys() >= EXPECTED


def test_a_damaged_file_is_named_or_made_again(
    finished: tuple[Run, dict[str, list[str]]], tmp_path: Path
) -> None:
    run, read = finished
    for number, (name, commands) in enumerate(sorted(read.items())):
        data = (run.folder / name).read_bytes()
        how, damaged = list(damages(data, flips=1, cuts=2, seed=number))[1 + number % 2]
        check(run, tmp_path / "copy", name=name, command=commands[0], how=how, data=damaged)


@pytest.mark.long
def test_every_damage_is_named_or_made_again(
    finished: tuple[Run, dict[str, list[str]]], tmp_path: Path
) -> None:
    run, read = finished
    faults = list[str]()
    for number, (name, commands) in enumerate(sorted(read.items())):
        data = (run.folder / name).read_bytes()
        for how, damaged in damages(data, flips=50, cuts=20, seed=number):
            try:
                check(run, tmp_path / "copy", name=name, command=commands[0], how=how, data=damaged)
            except Exception as error:  # noqa: BLE001 - all faults of half an hour, not only the first
                faults.append(f"{commands[0]} with {name} {how}: {error!r}")
    assert not faults, "\n".join(faults)
