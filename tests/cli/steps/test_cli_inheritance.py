"""``finish.init=supernet`` and ``finish.teacher=supernet``, at the smallest budget."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nas.files import read_json
from nas.report import read_table
from tests.cli.steps.conftest import SETTINGS
from tests.cli.steps.test_cli_pipeline import Run

INHERITING = ("finish.init=supernet", "finish.scratch_control=true", "finish.teacher=supernet")


@pytest.fixture(scope="module")
def inherited(finished: Run) -> tuple[Path, str]:
    folder = finished.folder / "runs" / "inherited"
    shutil.copytree(finished.run_dir, folder)
    code, out, err = finished.nas("finish", *SETTINGS, *INHERITING, f"run_dir={folder}")
    assert code == 0, err
    return folder, out


def test_the_winner_inherits_and_its_control_does_not(inherited: tuple[Path, str]) -> None:
    folder, _ = inherited
    networks = {item["role"]: item for item in read_json(folder / "final" / "results.json")["networks"]}
    assert list(networks) == ["winner", "control", "baseline"]
    assert [item["init"] for item in networks.values()] == ["supernet", "scratch", "scratch"]
    assert networks["winner"]["network"] == networks["control"]["network"]
    assert networks["winner"]["sha256"] != networks["control"]["sha256"]
    assert 0 <= networks["winner"]["inherited_accuracy"] <= 1
    assert networks["control"]["inherited_accuracy"] is networks["baseline"]["inherited_accuracy"] is None


def test_three_accuracies_stand_side_by_side(finished: Run, inherited: tuple[Path, str]) -> None:
    folder, _ = inherited
    winner, control = read_table(folder)[:2]
    assert winner.inherited_accuracy is not None and control.role == "control"
    figures = (winner.inherited_accuracy, winner.validation_accuracy, control.validation_accuracy)
    inherited_one, tuned, scratch = (f"{100 * value:.1f} %" for value in figures)
    text = f"winner {inherited_one} inherited, {tuned} fine-tuned, {scratch} from scratch"
    code, out, err = finished.nas("report", *SETTINGS, f"run_dir={folder}")
    assert code == 0, err
    assert text in " ".join(out.split())
    assert text in (folder / "report.html").read_text()


def test_the_search_images_must_be_those_of_the_supernet(finished: Run, inherited: tuple[Path, str]) -> None:
    settings = (*SETTINGS, f"run_dir={inherited[0]}", "data.validation_fraction=0.3")
    code, _, err = finished.nas("finish", *settings, *INHERITING)
    assert code == 2
    assert "was made from other images or another split: data.validation_fraction was null and is 0.3" in err


def test_a_network_of_ones_own_must_fit(finished: Run, inherited: tuple[Path, str]) -> None:
    winner = read_json(finished.run_dir / "search" / "winner.json")["network"]
    own = finished.folder / "own.json"
    for stage in winner["stages"]:
        for block in stage:
            block["width"] *= 4
    own.write_text(__import__("json").dumps(winner))
    folder = finished.folder / "runs" / "own"
    shutil.copytree(finished.run_dir, folder)
    settings = (*SETTINGS, f"run_dir={folder}", f"finish.network={own}", "finish.init=supernet")
    code, _, err = finished.nas("finish", *settings)
    assert code == 2
    [line] = err.splitlines()
    assert "finish.init=supernet: stage 0 block 0: out_channels" in line
    assert "set finish.init=scratch, or name a network of the space" in line
