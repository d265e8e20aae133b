"""What the page says of the supernet's ranking."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nas.files import read_json, write_json
from nas.report.figures.trust import TrustGroup, TrustPoint, draw_trust
from nas.report.sections.trust import inherited_against_alone
from nas.statistics import wilson
from tests.report.conftest import part

TITLE = "Trust in the supernet"


def test_the_figures_are_those_of_the_file(run_dir: Path) -> None:
    text = part(run_dir, TITLE)
    value = read_json(run_dir / "trust" / "trust.json")
    for group in ("all", "without_extremes"):
        tau = value["agreement"][group]["kendall_tau"]
        assert f"{tau['value']:.2f} ({tau['low']:.2f} to {tau['high']:.2f})" in text
    assert "10 networks, each trained alone for 12 epochs; both accuracies on the same 1000" in text
    assert "validation images" in text
    assert "But " not in text


def test_what_the_supernet_adds_to_macs_is_that_of_the_file(run_dir: Path) -> None:
    text = part(run_dir, TITLE)
    value = read_json(run_dir / "trust" / "trust.json")
    shown = [third["gap_points"] for third in value["thirds"]]
    shown += [value["beyond_macs"][key]["advantage"] for key in ("all", "equal_macs")]
    for interval in shown:
        if interval["value"] is not None:
            assert f"{interval['value']:.2f} ({interval['low']:.2f} to {interval['high']:.2f})" in text
    assert [f"{third['name']}, {third['networks']}" in text for third in value["thirds"]] == [True] * 3


def test_what_supernet_and_costs_predict_together_is_that_of_the_file(run_dir: Path) -> None:
    text = part(run_dir, TITLE)
    value = read_json(run_dir / "trust" / "trust.json")["calibrated"]
    for name in ("supernet", "macs", "one_out", "band_out", "advantage"):
        interval = value[name]
        assert f"{interval['value']:.2f} ({interval['low']:.2f} to {interval['high']:.2f})" in text
    assert f"{value['error_points']:.1f}" in text and "left out by 4 bands of MACs" in text
    assert f"log MACs {value['shares']['log MACs']:.0%}" in text


def test_a_comparison_without_thirds_is_shown_all_the_same(run_dir: Path) -> None:
    path = run_dir / "trust" / "trust.json"
    value = read_json(path)
    del value["thirds"], value["beyond_macs"], value["calibrated"]
    write_json(path, value)
    text = part(run_dir, TITLE)
    assert "Kendall τ of MACs" in text
    assert "cannot be read" not in text


def test_without_a_comparison_the_page_says_nothing_of_it(run_dir: Path) -> None:
    assert TITLE in part(run_dir, TITLE)
    shutil.rmtree(run_dir / "trust")
    assert part(run_dir, TITLE) == ""


def test_what_is_not_alike_and_what_is_unknown_is_said(run_dir: Path) -> None:
    path = run_dir / "trust" / "trust.json"
    value = read_json(path)
    value["differs_from_the_supernet"] = [
        "networks are trained with epochs=1, the supernet was trained with 2"
    ]
    value["agreement"]["without_extremes"]["spearman"] = {"value": None, "low": None, "high": None}
    write_json(path, value)
    text = part(run_dir, TITLE)
    assert "But networks are trained with epochs=1, the supernet was trained with 2." in text
    assert re.search(r"Spearman</td><td>[^<]+</td><td>unknown", text)


@pytest.mark.parametrize("damage", ['{"agreement": {}}', "[]"])
def test_foreign_content_is_a_clear_error(run_dir: Path, damage: str) -> None:
    (run_dir / "trust" / "trust.json").write_text(damage)
    text = part(run_dir, TITLE)
    assert "trust cannot be read" in text
    assert "make it again: nas trust" in text


def test_points_and_bars_stand_where_the_accuracies_are() -> None:
    row = {"role": "random", "code": "r32", "inherited_correct": "60", "alone_correct": "80", "images": "100"}
    layer = next(layer for layer in inherited_against_alone([row]).layers if layer.name == "random")
    assert (layer.x, layer.y) == ([60], [80])
    for bars, correct in ((layer.x_bars, 60), (layer.y_bars, 80)):
        assert bars == [tuple(100 * end for end in wilson(correct, 100))]


def test_the_picture_has_each_point_where_its_accuracies_are() -> None:
    point = TrustPoint(inherited_correct=60, alone_correct=80, images=100)
    axes = draw_trust([TrustGroup(name="random", colour="red", marker="o", points=[point])]).axes[0]
    assert [tuple(each) for each in axes.collections[2].get_offsets().tolist()] == [(60, 80)]
    bars = [segment for bar in axes.collections[:2] for segment in bar.get_segments()]
    low, high = wilson(60, 100)
    assert bars[0][:, 0] == pytest.approx([100 * low, 100 * high])
    low, high = wilson(80, 100)
    assert bars[1][:, 1] == pytest.approx([100 * low, 100 * high])
    assert axes.get_xlabel() == "accuracy with the supernet's weights (%)"
