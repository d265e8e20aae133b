"""``nas compare``: the page that compares runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.report.pages import parse


def test_it_writes_the_page_and_says_what_the_runs_lack(nas: Callable, own_folder: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        (own_folder / name).mkdir()
        (own_folder / name / "config.yaml").write_text(f"seed: {seed}\nspace: tiny_32\n")
    outcome = nas("compare", "compare.runs=[a,b]", "run_dir=out")
    assert outcome.code == 0, outcome.err
    assert "written: out/compare/compare.html" in outcome.out
    text = parse((own_folder / "out/compare/compare.html").read_text(encoding="utf-8")).text
    assert "a has no search and no trained winner." in text
    assert "seed 0 1" in text


def test_without_two_runs_it_is_an_error(nas: Callable) -> None:
    outcome = nas("compare", "run_dir=out")
    assert outcome.code == 2
    assert "a comparison needs two runs, not 0: compare.runs=[runs/A,runs/B]" in outcome.err
