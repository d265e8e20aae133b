"""A tiny quickstart with each tracker, read back: configuration, metrics, artifacts and their lineage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.report import read_table
from nas.tracking import tracker_names
from tests.conftest import Outcome
from tests.test_documents import TINY
from tests.tracking.readers import Recorded, read

Nas = Callable[..., Outcome]

TRACKERS = [name for name in tracker_names() if name != "none"]
SETTINGS = (*TINY, "experiment=quickstart", "finish.epochs=2", "export.formats=[onnx]", "finish.workers=1")
PREFIX = "digits-tiny_24"


@pytest.fixture(params=TRACKERS)
def tracked(request: pytest.FixtureRequest, nas: Nas, own_folder: Path) -> tuple[Path, Recorded]:
    """The folder of a run, and what its tracker has recorded."""
    name = request.param
    pytest.importorskip(name, reason=f"no {name} here: pip install 'hwnas[{name}]'")
    outcome = nas("run", *SETTINGS, f"tracker={name}", "run_dir=runs/tracked")
    assert outcome.code == 0, outcome.err
    assert "tracker" not in outcome.out
    run_dir = own_folder / "runs" / "tracked"
    return run_dir, read(name, run_dir=run_dir, folder=own_folder)


def test_a_quickstart_is_read_back(tracked: tuple[Path, Recorded]) -> None:
    run_dir, found = tracked
    assert found.name == "tracked"
    assert found.config["search"]["trials"] == 4 and found.config["space"] == "tiny_24"
    check_metrics(run_dir, found)
    check_lineage(run_dir, found)
    assert (found.tables, found.plots, found.pages) == ({"search/front"}, {"search/front_plot"}, {"report"})


def check_metrics(run_dir: Path, found: Recorded) -> None:
    """Each step has numbers, on an axis of its own; those of the files are equal to them."""
    axes = {name.partition("/")[0] for name in found.metrics}
    assert axes == {"train", "table", "search", "control", "scale", "final", "deploy"}
    assert [step for step, _ in found.metrics["train/loss_largest"]] == [1]
    assert [step for step, _ in found.metrics["final/winner/loss"]] == [1, 2]
    assert found.metrics["search/best"][-1][0] == 4
    scaled = json.loads((run_dir / "scale" / "scale.json").read_text())
    assert found.metrics["scale/phi"] == [(0, pytest.approx(scaled["phi"]))]
    [row] = read_table(run_dir)
    assert found.metrics["deploy/winner/test_accuracy"] == [(0, pytest.approx(row.test_accuracy))]
    assert row.latency_ms is not None
    assert found.metrics["deploy/winner/latency_ms"] == [(0, pytest.approx(row.latency_ms.value))]


def check_lineage(run_dir: Path, found: Recorded) -> None:
    """Supernet and table lead to the search, the search to the scaled network, and this to the files."""
    above = {
        name.removeprefix(f"{PREFIX}-"): {each.removeprefix(f"{PREFIX}-") for each in made_from}
        for name, made_from in found.made_from.items()
    }
    assert above == {
        "supernet": {"tiny_24.yaml"},
        "table": {"tiny_24.yaml"},
        "search": {"supernet", "table", "tiny_24.yaml"},
        "scale": {"search", "table"},
        "final": {"scale", "tiny_24.yaml"},
        "deploy": {"final", "scale", "search"},
    }
    for name, made_from in found.made_from.items():
        for above_it, version in made_from.items():
            assert found.versions.get(above_it, version) == version, (name, above_it)
    assert "winner.onnx" in found.files[f"{PREFIX}-deploy"]
    assert "weights.safetensors" in found.files[f"{PREFIX}-supernet"]


def test_the_jobs_of_a_multirun_are_a_group(nas: Nas, own_folder: Path) -> None:
    pytest.importorskip("mlflow", reason="pip install 'hwnas[mlflow]'")
    from mlflow import MlflowClient

    settings = ("table.budget=1s", "table=roofline", "device=laptop_cpu", "seed=0,1", "tracker=mlflow")
    outcome = nas("table", "space=tiny_24", *settings, "run_dir=runs/seeds", "--multirun")
    assert outcome.code == 0, outcome.err
    client = MlflowClient(tracking_uri=(own_folder / "mlruns").as_uri())
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert {run.info.run_name for run in runs} == {"seed-0", "seed-1"}
    assert {run.data.tags["group"] for run in runs} == {"seeds"}


def test_a_tracker_that_fails_does_not_stop_a_run(nas: Nas) -> None:
    pytest.importorskip("mlflow", reason="pip install 'hwnas[mlflow]'")
    settings = ("table=roofline", "device=laptop_cpu", "tracker=mlflow", "tracker.store=http://127.0.0.1:9")
    outcome = nas("table", "space=tiny_24", *settings, "run_dir=runs/x")
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("warning: tracker mlflow failed, and the run goes on without it") == 1
    assert Path("runs/x/table").is_dir()
