"""Seeds of one experiment in the plane of fronts: mean and spread."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nas.report.compare import write_comparison
from nas.report.compare.fronts import attained
from nas.report.files import Search, read_search
from tests.report.pages import parse


def with_front(search: Search, *points: tuple[float, float]) -> Search:
    """A search with this front of costs and accuracies."""
    return dataclasses.replace(search, front=tuple((accuracy, cost) for cost, accuracy in points))


def test_the_mean_front_is_that_of_the_best_within_each_cost(run_dir: Path) -> None:
    search = read_search(run_dir)
    first = with_front(search, (1.0, 0.5), (3.0, 0.9))
    second = with_front(search, (2.0, 0.7), (4.0, 0.8))
    costs, mean, spread = attained([first, second])
    assert costs.tolist() == [2.0, 3.0, 4.0]  # before 2.0, the second search has no network
    assert mean == pytest.approx([0.6, 0.8, 0.85])
    deviations = [np.std(pair, ddof=1) for pair in ([0.5, 0.7], [0.9, 0.7], [0.9, 0.8])]
    assert spread == pytest.approx(deviations)


def test_equal_seeds_have_no_spread_and_their_own_front(run_dir: Path) -> None:
    search = read_search(run_dir)
    costs, mean, spread = attained([search, search, search])
    assert np.column_stack([mean, costs]) == pytest.approx(np.array(sorted(search.front)))
    assert spread == pytest.approx(0, abs=1e-12)


@pytest.fixture
def seeds(run_dir: Path, tmp_path: Path) -> list[Path]:
    """Two seeds of one experiment, tracked in other ways, and a run of another one."""
    folders = []
    for number, (seed, trials) in enumerate(((0, 40), (1, 40), (0, 80))):
        folder = tmp_path / f"run-{number}"
        shutil.copytree(run_dir, folder)
        config = {"seed": seed, "search": {"trials": trials}, "tracker": {"name": f"t{number}"}}
        (folder / "config.yaml").write_text(json.dumps(config))
        folders.append(folder)
    return folders


def test_seeds_share_a_curve_and_a_band(seeds: list[Path], tmp_path: Path) -> None:
    write_comparison(tmp_path / "page.html", seeds)
    page = parse((tmp_path / "page.html").read_text(encoding="utf-8"))
    layers = page.chart("The fronts of the runs")["layers"]
    assert [layer["name"] for layer in layers if layer.get("name")] == ["run-0 (2 seeds)", "run-2"]
    assert sum(bool(layer.get("fill")) for layer in layers) == 1
    assert sum(layer.get("marker") == "star" for layer in layers) == 3
