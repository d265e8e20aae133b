"""The picture of published architectures, and the table beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.architectures import COLOURS, FRONTS, Architecture, front_until, main, read_architectures

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"


def test_the_page_shows_each_fact_and_the_picture() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"\| ([\w/.-]+) \| (\d{4}) \| ([\d.]+) \| ([\d.]+) \| (.+) \|", text)
    facts = [(a.label, str(a.year), f"{a.macs:.2f}", f"{a.top1:.1f}", a.source) for a in read_architectures()]
    assert shown == facts
    assert (PAGE.parent / "pictures" / "architectures.png").is_file()


def test_every_year_has_a_colour() -> None:
    years = {each.year for each in read_architectures()}
    assert years == set(COLOURS)
    assert max(FRONTS) == max(years)


def test_a_front_holds_what_nothing_cheaper_beats() -> None:
    every = read_architectures()
    front = front_until(2019, every)
    assert [each.network for each in front] == [
        *("mobilenet_v3_small", "mobilenet_v2", "efficientnet_b0", "efficientnet_b3")
    ]
    for each in every:
        beaten = [other for other in front_until(2024, every) if is_better(other, each)]
        assert bool(beaten) is (each not in front_until(2024, every))


def is_better(one: Architecture, other: Architecture) -> bool:
    return one.macs <= other.macs and one.top1 >= other.top1 and one != other


def test_one_command_draws_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "architectures.png").read_bytes()[:4] == b"\x89PNG"
    assert main([]) == 2
    assert "python -m tools.architectures" in capsys.readouterr().out
