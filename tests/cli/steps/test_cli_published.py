"""``nas search search.accuracy=published``: without images, without a supernet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas.report import report
from nas.search.results.results import read_winner
from tests.cli.steps.test_cli_search import nas
from tests.published import small

TABLE = "ofa_mobilenet_v3-epyc_zen4-onnxruntime-fp32"
SMALL = (
    "space=small",
    "search.accuracy=published",
    "search.candidates=300",
    "data=imagenet",
    "device=laptop_cpu",
    "table=roofline",
    "run_dir=run",
)
"""The data set is not there: nothing may read an image."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the space, its published accuracies, and a searched run with an estimated table."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "search_spaces").mkdir()
    small.write(folder, small.content(small.space(folder / "search_spaces")))
    code, _, err = nas(folder, "table", *SMALL, "table.classes=10", "table.input_channels=1")
    assert code == 0, err
    return folder


def search(project: Path, *settings: str) -> tuple[str, dict[str, Any]]:
    code, out, err = nas(project, "search", *SMALL, *settings)
    assert code == 0, err
    return out, json.loads((project / "run" / "search" / "winner.json").read_text())


def fail(project: Path, *settings: str) -> str:
    code, _, err = nas(project, "search", *SMALL, *settings)
    assert code == 2, err
    assert err.count("\n") == 1
    return err


def test_a_front_without_images_and_what_the_report_says_of_it(project: Path) -> None:
    out, winner = search(project)
    assert "top-1, %" in out
    assert "digits top-1, predicted from published networks (60); error on networks not seen 0." in out
    assert f"winner {winner['code']}: accuracy" in out
    assert "(winner)" in out
    assert winner["prediction"] == "predicted"
    assert read_winner(project / "run" / "search").network.classes == small.CLASSES
    page = report(project / "run").read_text()
    assert "Their accuracies are predicted" in page
    assert "predicted top-1 (%)" in page
    assert "choice is predicted. digits top-1" in page
    assert "on the validation images" not in page
    record = json.loads((project / "run" / "search" / "step.json").read_text())
    assert "published accuracies" in record["inputs"]
    assert "data" not in record["settings"]
    again, _ = search(project)
    assert "predicting" not in again


def test_other_resolutions_are_marked(project: Path) -> None:
    out, winner = search(project, "search.resolutions=[16]")
    assert "extrapolated: at another resolution" in out
    assert winner["prediction"] == "extrapolated"
    assert f"{winner['code']}: accuracy" in out
    assert "% extrapolated" in out
    page = report(project / "run").read_text()
    assert "choice is extrapolated." in page


def test_bad_settings_are_one_line(project: Path) -> None:
    assert (
        "no accuracies of tiny_32 are published; published_accuracies/ has those of ofa_mobilenet_v3, small"
        in (fail(project, "space=tiny_32"))
    )
    assert "unknown source of accuracy (search.accuracy) 'publishd'; did you mean published?" in fail(
        project, "search.accuracy=publishd"
    )
    for name in ("balanced_accuracy", "calibrated_accuracy", "int8_accuracy"):
        assert f"{name} is unknown with search.accuracy=published" in fail(
            project, f"search.objectives=[{name},latency]"
        )
    for setting in ("workers=2", "storage=x.log", "halving=[0.5]", "respect_device=true"):
        name = setting.split("=")[0]
        assert f"search.{name} is for searches that evaluate networks" in fail(project, f"search.{setting}")
    assert "search.finalists trains networks, but search.accuracy=published has neither images" in fail(
        project, "search.finalists=4"
    )
    assert "search.resolutions has 20, which small lacks; it has 16, 24, 32" in fail(
        project, "search.resolutions=[20]"
    )
    assert "search.candidates is 0; there must be at least one" in fail(project, "search.candidates=0")
    assert "search.resolutions limits a search of published accuracies" in fail(
        project, "search.accuracy=supernet", "search.resolutions=[16]", "data=digits"
    )
    assert "no network of small meets latency_ms 1e-06" in fail(project, "search.latency_ms=0.000001")


def test_a_bound_as_a_share_of_the_largest_network(project: Path) -> None:
    _, winner = search(project, "search.latency_fraction=0.5", "search.budgets_ms=[1]")
    (bound,) = [each["bound"] for each in winner["objectives"] if each["name"] == "latency_ms"]
    assert winner["values"]["latency_ms"] <= bound
    budgets = json.loads((project / "run" / "search" / "winners.json").read_text())
    assert [each["budget_ms"] for each in budgets] == [1.0]


def test_a_shipped_table_gives_the_front_of_its_device(tmp_path: Path) -> None:
    code, _, err = nas(
        tmp_path,
        "search",
        "space=ofa_mobilenet_v3",
        "search.accuracy=published",
        "search.candidates=500",
        f"table={TABLE}",
        "device.name=zen4",
        "search.latency_ms=6",
        "run_dir=run",
    )
    assert code == 0, err
    winner = json.loads((tmp_path / "run" / "search" / "winner.json").read_text())
    assert winner["code"].startswith("r224-")
    assert 0.74 < winner["values"]["accuracy"] < 0.77
    assert winner["values"]["latency_ms"] <= 6


def test_int8_latencies_get_a_warning(tmp_path: Path) -> None:
    code, out, err = nas(
        tmp_path,
        "search",
        "space=ofa_mobilenet_v3",
        "search.accuracy=published",
        "search.candidates=210",
        "table=ofa_mobilenet_v3-epyc_zen4-onnxruntime-int8",
        "device.name=zen4",
        "device.precision=int8",
        "run_dir=run",
    )
    assert code == 0, err
    assert "warning: the accuracies are of fp32 networks; the loss in int8 is unknown" in out
