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
        ("explore.tables=[v100-batch1]", "has whole networks only; name a table of blocks"),
    ],
)
def test_what_cannot_be_shown_is_an_error(nas: Callable, setting: str, message: str) -> None:
    outcome = nas("explore", "space=tiny_32", "run_dir=out", setting)
    assert outcome.code == 2
    assert message in outcome.err
