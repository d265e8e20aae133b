"""``nas search search.finalists=N``: finals after the search."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.report import report
from nas.search.results.results import read_winner
from nas.training import final
from tests.cli.steps.test_cli_search import nas, train_project

FINALS = (
    "experiment=mini",
    "search.finalists=3",
    "search.finalist_epochs=2",
    "search.holdout_fraction=0.4",
    "compute.torch_device=cpu",
)
_FIT = final.fit_network


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def run_dir(project: Path) -> Iterator[Path]:
    """A run with a supernet and no search yet."""
    folder = project / "runs" / "mini"
    for each in folder.glob("*search*"):
        shutil.rmtree(each, ignore_errors=True)
    yield folder
    for each in folder.glob("*search*"):
        shutil.rmtree(each, ignore_errors=True)


def search(run_dir: Path, *settings: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Returns the output, the winner and the finals."""
    code, out, err = nas(run_dir.parent.parent, "search", *FINALS, *settings)
    assert code == 0, err
    winner, finals = (run_dir / "search" / f"{name}.json" for name in ("winner", "finalists"))
    return " ".join(out.split()), json.loads(winner.read_text()), json.loads(finals.read_text())


def fail(run_dir: Path, *settings: str) -> str:
    code, _, err = nas(run_dir.parent.parent, "search", *FINALS, *settings)
    assert code == 2, err
    assert err.count("\n") == 1
    return err


def test_the_best_finalist_is_the_winner_and_the_report_shows_all(run_dir: Path) -> None:
    out, winner, finals = search(run_dir)
    assert [len(each["rounds"]) for each in finals["networks"]] == [2, 2, 1]
    assert finals["rounds"] == [{"networks": 3, "epochs": 1}, {"networks": 2, "epochs": 2}]
    first = finals["networks"][0]
    assert (winner["code"], winner["number"]) == (first["code"], first["number"])
    assert winner["finals"]["trained"] == first["rounds"][-1]
    assert winner["finals"]["trained"]["images"] == winner["held_out"]["images"] == 115
    assert first["equal"]
    assert winner["finals"]["best"] == (first["behind"][0] == 0)
    assert str(read_winner(run_dir / "search").architecture) == first["code"]
    assert "3 finalists trained, the last 2 for 2 epochs; the winner's accuracy is" in out
    assert f"{100 * first['rounds'][-1]['accuracy']:.1f}%" in out
    assert "a finalist by 173 images" in out
    assert not (run_dir / "search" / "finalists").exists()
    page = report(run_dir).read_text()
    assert "Finalists" in page and "after 1 epoch" in page and "after 2 epochs" in page
    assert all(each["code"] in page for each in finals["networks"])
    again, *_ = search(run_dir)
    assert "already done" in again


def test_a_killed_final_goes_on_with_the_rounds_that_are_left(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the fourth of five trainings; the result is that of an uninterrupted search."""
    _, winner, finals = search(run_dir)
    shutil.rmtree(run_dir / "search")
    trainings = []

    def fit(*arguments: Any, **settings: Any) -> Any:
        trainings.append(arguments)
        if len(trainings) == 4:
            raise KeyboardInterrupt
        return _FIT(*arguments, **settings)

    monkeypatch.setattr(final, "fit_network", fit)
    code, _, _ = nas(run_dir.parent.parent, "search", *FINALS)
    assert (code, len(trainings)) == (130, 4)
    assert not (run_dir / "search").exists()
    assert len(list((run_dir / ".search.partial" / "finalists").glob("*.safetensors"))) == 3
    out, again, repeated = search(run_dir)
    assert len(trainings) == 6
    assert "resumes where it was interrupted" in out
    assert (again, repeated) == (winner, finals)


@pytest.mark.parametrize("first", ["balanced_accuracy", "int8_accuracy"])
def test_finals_go_by_the_first_objective(run_dir: Path, first: str) -> None:
    _, winner, finals = search(
        run_dir,
        f"search.objectives=[{first},params,latency]",
        "search.finalists=2",
        "search.finalist_epochs=1",
        "search.trials=4",
    )
    assert finals["objective"] == first == winner["finals"]["trained"]["objective"]
    assert list(winner["values"]) == [first, "params", "latency_ms"]


def test_one_usable_network_is_the_winner_without_finals(run_dir: Path) -> None:
    out, winner, finals = search(run_dir, "search.trials=1")
    assert "one network only is within the bounds, so there are no finals" in out
    assert winner["finals"] is None and finals["networks"] == []
    assert "Finalists" not in report(run_dir).read_text()


def test_without_finals_the_step_is_that_of_earlier_versions(run_dir: Path) -> None:
    command = ("search", *FINALS, "search.finalists=1", "search.trials=3")
    assert nas(run_dir.parent.parent, *command)[0] == 0
    record = json.loads((run_dir / "search" / "step.json").read_text())
    assert not [name for name in record["settings"]["search"] if name.startswith("finalist")]
    assert "finals" not in record["settings"]
    assert not (run_dir / "search" / "finalists.json").exists()
    _, out, _ = nas(run_dir.parent.parent, *command, "search.finalist_epochs=7")
    assert "already done" in out


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.finalists=0", r"search.finalists is 0; give 1 for none, or better 4"),
        ("search.finalist_epochs=1", r"search.finalist_epochs is 1, but 3 .* 2 rounds .*; give at least 2"),
        ("search.finalist_epochs=0", r"search.finalist_epochs is 0, but"),
        ("search.finalist_rate=0", r"search.finalist_rate is 0.*: 0 < factor ≤ 1"),
        ("search.objectives=[macs,accuracy]", r"the first of search.objectives is macs; put one of accuracy"),
        ("search.holdout_fraction=0", r"search.holdout_fraction=0 hides none; set it to null"),
        ("search.holdout_fraction=0.001", r"hidden from the search, but there are none; raise"),
    ],
)
def test_what_cannot_be_is_refused(run_dir: Path, setting: str, message: str) -> None:
    assert re.search(message, fail(run_dir, setting))
