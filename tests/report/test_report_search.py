"""What the page says of a search beside its pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.report.figures import draw_pareto
from nas.report.files import read_search
from nas.report.sections.search_words import details
from nas.search import Count, search
from nas.training.history_csv import write_csv
from tests.report.conftest import part
from tests.report.pages import parse
from tests.search.problems import tiny_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    study = tiny_study(trials=12, budgets_ms=[0.01, 1.0])
    search(study, folder=folder, remeasure=lambda network: Count(40, 50))
    return folder


def test_the_page_tells_of_unseen_images_budgets_and_choices(folder: Path) -> None:
    page = "\n".join(details(folder))
    winner = json.loads((folder / "winner.json").read_text())
    assert f"{100 * winner['values']['accuracy']:.1f} % on the images that chose it" in page
    assert "80.0 % (67.0 to 88.8) on 50 unseen images" in page
    assert "none was found" in page
    assert json.loads((folder / "winners.json").read_text())[1]["code"] in page
    assert next(iter(json.loads((folder / "importance.json").read_text())["accuracy"])) in page


def test_without_held_out_images_there_is_no_word_of_them(folder: Path, tmp_path: Path) -> None:
    winner = json.loads((folder / "winner.json").read_text())
    (tmp_path / "winner.json").write_text(json.dumps({**winner, "held_out": None}))
    assert details(tmp_path) == []


def test_an_older_search_for_int8_measured_the_winner_again_in_float(folder: Path, tmp_path: Path) -> None:
    winner = json.loads((folder / "winner.json").read_text())
    del winner["held_out"]["objective"], winner["best"]  # of which an older search says nothing
    winner["values"] = {"int8_accuracy": 0.9}
    (tmp_path / "winner.json").write_text(json.dumps(winner))
    assert "80.0 % (67.0 to 88.8) on 50 unseen images, not quantised." in "".join(details(tmp_path))


def test_damaged_files_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "winner.json").write_text('{"held_out": {}, "values": {}}')
    with pytest.raises(UserError, match=r"cannot be read .*; search again: nas search"):
        details(tmp_path)


def test_what_was_stopped_early_breaks_no_bound(run_dir: Path) -> None:
    path = run_dir / "search" / "trials.csv"
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    before = read_search(run_dir)
    chosen = next(row for row in rows if row["state"] == "complete" and row["feasible"] == "True")
    chosen.update(state="stopped", feasible="False")
    write_csv(path, rows)
    found = read_search(run_dir)
    assert found.stopped == ((float(chosen["accuracy"]), float(chosen["latency_ms"])),)
    assert (len(found.trials), found.outside) == (len(before.trials) - 1, before.outside)
    labels = [text.get_text() for text in draw_pareto(found).axes[0].get_legend().get_texts()]
    assert labels == ["evaluated", "stopped early", "Pareto front"]


def test_with_three_objectives_the_hypervolume_names_them_all(run_dir: Path) -> None:
    assert "The hypervolume is the area between the front and the point" in html_of(run_dir)
    path = run_dir / "search" / "pareto.json"
    value = json.loads(path.read_text())
    value["reference"] = {"accuracy": 0.064, "latency_ms": 0.027, "params": 12345.0}
    path.write_text(json.dumps(value))
    assert (
        "The hypervolume is the volume between the front and the point that every network of interest beats "
        "(accuracy 6.4 %, latency 0.027 ms, params 1.234e+04)"
    ) in html_of(run_dir)
    chart = parse(html_of(run_dir)).chart("Hypervolume against evaluations")
    assert chart["y"] == "hypervolume (accuracy × latency_ms × params)"


def html_of(run_dir: Path) -> str:
    """What the page says of the search."""
    return part(run_dir, "Search")
