"""``nas explore``: the page of a space, with or without a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.pages import parse


def test_without_a_run_it_shows_published_tables_and_estimates(nas: Callable, own_folder: Path) -> None:
    outcome = nas("explore", "space=mixed_32", "run_dir=out", "explore.devices=[raspberry_pi_4]")
    assert outcome.code == 0, outcome.err
    assert "mixed_32, 7 measured tables, 1 estimated devices" in outcome.out
    data = parse((own_folder / "out/explore/mixed_32.html").read_text(encoding="utf-8")).data["explorer"]
    names = [device["name"] for device in data["devices"]]
    assert "mixed_32-epyc-onnxruntime-fp32" in names and names[-1] == "raspberry_pi_4"
    assert [device["estimated"] for device in data["devices"]] == [False] * 7 + [True]
    assert not (own_folder / "out" / "provenance.json").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("explore.devices=[this_machine]", "the peaks of the device this_machine are unknown"),
        ("explore.devices=[nowhere]", "unknown device 'nowhere'"),
        ("explore.spaces=[]", "explore.spaces names no space, or one twice"),
        ("explore.spaces=[tiny_24,tiny_24]", "explore.spaces names no space, or one twice"),
        ("explore.spaces=[tiny_2]", "unknown search space 'tiny_2'"),
        ("explore.tables=[v100-batch1]", "has whole networks only; name a table of blocks"),
    ],
)
def test_what_cannot_be_shown_is_an_error(nas: Callable, setting: str, message: str) -> None:
    outcome = nas("explore", "space=tiny_32", "run_dir=out", setting)
    assert outcome.code == 2
    assert message in outcome.err


def test_several_spaces_share_a_page(nas: Callable, own_folder: Path) -> None:
    outcome = nas("explore", "explore.spaces=[tiny_24,mixed_32]", "explore.devices=[pixel_6]", "run_dir=out")
    assert outcome.code == 0, outcome.err
    assert "explore: tiny_24, 0 measured tables, 1 estimated devices" in outcome.out
    assert "explore: mixed_32, 7 measured tables, 1 estimated devices" in outcome.out
    page = parse((own_folder / "out/explore/tiny_24.html").read_text(encoding="utf-8"))
    shown = [page.data[name] for name in ("explorer", "explorer-1")]
    assert [each["space"] for each in shown] == ["tiny_24", "mixed_32"]
    assert shown[0]["spaces"] == ["tiny_24", "mixed_32"]
