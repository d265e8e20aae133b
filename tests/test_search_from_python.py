"""The scripts of docs/how-to/search-from-python.md, executed as they are written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nas.hardware import Device
from nas.latency.estimate.roofline import roofline_table
from nas.space import SearchSpace

PAGE = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "search-from-python.md"
SCRIPTS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_a_search_is_a_script_of_at_most_25_lines() -> None:
    assert len(SCRIPTS) == 2
    assert [script.count("\n") <= 25 for script in SCRIPTS] == [True, True]


def test_the_scripts_search_and_print_the_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    device = Device(name="this_machine", peak_flops=(("fp32", 1e9),), bandwidth_bytes_per_s=1e9)
    blocks = SearchSpace.load("tiny_24").block_specs(classes=10, input_channels=1)
    table = roofline_table(blocks, device=device, space="tiny_24")
    table.save(tmp_path / "runs" / "quickstart" / "table" / "tiny_24-this_machine.json")
    names: dict[str, Any] = {}
    exec(compile(SCRIPTS[0], PAGE.name, "exec"), names)
    check_front(capsys.readouterr().out, tmp_path / "runs/python/search", r"\S+ [\d.]+% [\d.]+ ms")
    winner = json.loads((tmp_path / "runs/python/search/winner.json").read_text())
    assert winner["held_out"]["images"] == 86
    exec(compile(SCRIPTS[1], PAGE.name, "exec"), names)
    check_front(capsys.readouterr().out, tmp_path / "runs/python/recall", r"\S+ [\d.]+% \d+ MACs")
    for point in json.loads((tmp_path / "runs/python/recall/pareto.json").read_text())["front"]:
        assert point["values"]["blocks"] <= 12
        assert 0 <= point["values"]["least_recall"] <= 1


def check_front(out: str, folder: Path, line: str) -> None:
    """Each network of the front is printed, and nothing else."""
    front = json.loads((folder / "pareto.json").read_text())["front"]
    lines = out.splitlines()
    assert [text.split()[0] for text in lines] == [point["code"] for point in front]
    assert all(re.fullmatch(line, text) for text in lines), out
