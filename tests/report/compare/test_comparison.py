"""The comparison of runs: what differs, what can be compared, and whether it is more than chance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from nas.errors import UserError
from nas.files import read_json, write_json
from nas.latency import load_table
from nas.report import read_table
from nas.report.compare import write_comparison
from nas.report.compare.runs import differing, groups_of, read_runs
from nas.report.differences import of_counts, of_means
from nas.report.drawing import Drawn, Kinds, Scale
from nas.report.drawing.networks import columns_of
from nas.report.explorer.accuracy import additive_model
from nas.report.files import read_search, winner_network
from nas.space import SearchSpace
from tests.report.browser import Browser, needs_chromium, started
from tests.report.pages import Parsed, parse

CONFIG = """space: tiny_32
seed: {seed}
name: n
run_dir: r{seed}
search: {{trials: {trials}}}
data: {{name: {data}}}
"""


@pytest.fixture
def make(complete: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes runs that differ in name, seed, trials, data and in the number of right answers."""

    def make(name: str, *, seed: int = 0, trials: int = 40, data: str = "digits", right: int = 0) -> Path:
        folder = shutil.copytree(complete, tmp_path / name)
        (folder / "config.yaml").write_text(CONFIG.format(seed=seed, trials=trials, data=data))
        manifest = read_json(folder / "deploy" / "manifest.json")
        for item in manifest["artefacts"]:
            item["test_correct"] += right
        write_json(folder / "deploy" / "manifest.json", manifest)
        return folder

    return make


def page_of(folders: list[Path], tmp_path: Path) -> Parsed:
    write_comparison(tmp_path / "compare.html", folders)
    return parse((tmp_path / "compare.html").read_text(encoding="utf-8"))


def test_two_runs_share_one_plane_and_differ_in_what_is_listed(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    runs = [make("a"), make("b", trials=80, right=3)]
    page = page_of(runs, tmp_path)
    chart = page.chart("The fronts of the runs")
    layers = {layer["name"]: layer for layer in chart["layers"] if "name" in layer}
    front = sorted((cost, 100 * accuracy) for accuracy, cost in read_search(runs[0]).front)
    assert list(zip(layers["a"]["x"], layers["a"]["y"], strict=True)) == front
    assert set(layers) == {"a", "b"}
    assert differing(read_runs(runs)) == [("search.trials", ["40", "80"])]
    assert "search.trials 40 80" in page.text
    first, second = (read_table(run)[0] for run in runs)
    difference, half = of_counts(first, second)
    assert f"b against a: {100 * difference:+.2f} points (± {100 * half:.2f}" in page.text
    assert "it may be chance" in page.text
    assert "Before you compare" not in page.text


def test_winners_stand_under_each_other_with_their_differences(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    runs = [make("a"), make("b")]
    results = read_json(runs[1] / "final" / "results.json")
    largest = next(item for item in results["networks"] if item["role"] == "largest")
    winner = next(item for item in results["networks"] if item["role"] == "winner")
    winner["network"] = largest["network"]
    write_json(runs[1] / "final" / "results.json", results)
    page = page_of(runs, tmp_path)
    [drawn] = [json.loads(known["data-network"]) for _, known in page.elements if "data-network" in known]
    assert [each["name"] for each in drawn] == ["a", "b"]
    for run, each in zip(runs, drawn, strict=True):
        named = winner_network(run)
        assert named is not None
        cells = [page.data["drawings"]["cells"][i] for group in each["groups"] for i in group]
        assert [cell["rows"][3] for cell in cells] == [
            str(block.out_shape.channels) for block in named[1].blocks
        ]


def test_seeds_of_one_experiment_are_a_mean_and_a_spread(make: Callable[..., Path], tmp_path: Path) -> None:
    folders = [make(f"a{seed}", seed=seed, right=seed) for seed in range(3)]
    folders += [make(f"b{seed}", seed=seed, trials=80, right=seed + 1) for seed in range(3)]
    runs = read_runs(folders)
    assert [[run.name for run in group] for group in groups_of(runs)] == [
        ["a0", "a1", "a2"],
        ["b0", "b1", "b2"],
    ]
    page = page_of(folders, tmp_path)
    accuracies = [run.winner.test_accuracy for run in runs[:3] if run.winner]
    mean, spread = 100 * np.mean(accuracies), 100 * np.std(accuracies, ddof=1)
    assert f"a0 (3 seeds): {mean:.2f} ± {spread:.2f} % test accuracy" in page.text
    assert "b0 (3 seeds) against a0 (3 seeds): +0.28 points" in page.text
    assert "it may be chance" in page.text
    assert "other test images" in page.text


def test_other_data_and_other_devices_are_said(make: Callable[..., Path], tmp_path: Path) -> None:
    runs = [make("a"), make("b", data="cifar10")]
    table = runs[1] / "table" / "here.json"

    loaded = load_table(table)
    replace(loaded, device=replace(loaded.device, machine="a phone")).save(table)
    page = page_of(runs, tmp_path)
    assert "The runs saw different data or splits: their accuracies cannot be compared." in page.text
    assert "Latencies are of different devices and cannot be compared: a laptop, 2 cores" in page.text
    assert " against a: " not in page.text


def test_a_run_that_lacks_steps_is_compared_in_the_others(make: Callable[..., Path], tmp_path: Path) -> None:
    runs = [make("a"), make("b")]
    for name in ("final", "deploy", "scale", "search"):
        shutil.rmtree(runs[1] / name)
    page = page_of(runs, tmp_path)
    assert "b has no search and no trained winner." in page.text
    assert [layer["name"] for layer in page.charts[0]["layers"] if "name" in layer] == ["a"]


def test_searches_by_other_quantities_share_no_plane(make: Callable[..., Path], tmp_path: Path) -> None:
    runs = [make("a"), make("b")]
    for name in ("pareto.json", "winner.json", "trials.csv"):
        path = runs[1] / "search" / name
        path.write_text(path.read_text().replace("latency_ms", "macs").replace('"unit": "ms"', '"unit": ""'))
    page = page_of(runs, tmp_path)
    assert page.charts == []
    assert "their fronts share no plane" in page.text


def test_the_axis_says_which_accuracy_it_is(make: Callable[..., Path], tmp_path: Path) -> None:
    runs = [make("a"), make("b")]
    assert (
        page_of(runs, tmp_path).chart("The fronts of the runs")["y"]
        == "accuracy on search-validation images (%)"
    )
    for run in runs:
        rated_by(run, "calibrated_accuracy")
    assert page_of(runs, tmp_path).chart("The fronts of the runs")["y"] == (
        "accuracy calibrated by networks trained alone (%)"
    )
    model = additive_model(runs[0], SearchSpace.load("tiny_32"))
    assert model is not None
    assert model["name"] == "calibrated accuracy"


def rated_by(run: Path, accuracy: str) -> None:
    """Gives the accuracy of a search another name."""
    for name in ("pareto.json", "winner.json"):
        path = run / "search" / name
        path.write_text(path.read_text().replace('"accuracy"', f'"{accuracy}"'))
    path = run / "search" / "trials.csv"
    head, rest = path.read_text().split("\n", 1)
    columns = [accuracy if column == "accuracy" else column for column in head.split(",")]
    path.write_text(",".join(columns) + "\n" + rest)


def test_what_is_no_pair_of_runs_is_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    run = make("a")
    (tmp_path / "empty").mkdir()
    for folders, message in (
        ([run], "needs two runs, not 1"),
        ([run, run], "stands twice"),
        ([run, tmp_path / "empty"], "holds no run"),
    ):
        with pytest.raises(UserError, match=message):
            write_comparison(tmp_path / "page.html", folders)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=6),
    st.lists(st.floats(0, 1), min_size=2, max_size=6),
)
def test_the_interval_of_means_is_that_of_welchs_test(first: list[float], second: list[float]) -> None:
    difference, half = of_means(first, second)
    assert difference == pytest.approx(np.mean(second) - np.mean(first))
    if min(np.std(first), np.std(second)) > 1e-3:
        interval = ttest_ind(second, first, equal_var=False).confidence_interval()
        assert (difference - half, difference + half) == pytest.approx((interval.low, interval.high))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@needs_chromium
@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_its_page_is_quiet_and_everyone_can_read_it(
    browser: Browser, make: Callable[..., Path], tmp_path: Path, width: int, dark: bool
) -> None:
    runs = [make("a"), make("<b>", trials=80)]
    write_comparison(tmp_path / "compare.html", runs)
    browser.open(tmp_path / "compare.html", width=width, dark=dark)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.check_quiet(tmp_path / "compare.html")
    assert browser.faults() == []
    assert "<b>" in browser.run("return document.querySelector('h1').innerText")
    named = [winner_network(run) for run in runs]
    networks = [each[1] for each in named if each is not None]
    blocks = [block for network in networks for block in network.blocks]
    columns = columns_of(
        [Drawn(str(i), network) for i, network in enumerate(networks)],
        scale=Scale.of(blocks),
        kinds=Kinds.of(blocks),
    )
    assert browser.run("return document.querySelectorAll('.net-column').length") == len(columns)
