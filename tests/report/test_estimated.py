"""A latency that rests on a roofline is called estimated wherever it is shown."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nas.files import read_json, sha256, write_json
from nas.hardware import Device
from nas.latency import load_table
from nas.latency.estimate.roofline import roofline_table
from nas.report import print_table, read_table
from nas.report.files import read_search
from nas.report.sections.base import Run
from nas.report.sections.every import SECTIONS
from tests.report.conftest import part
from tests.report.pages import parse


@pytest.fixture
def estimated(run_dir: Path) -> Path:
    """The run as it is with ``table=roofline``: every latency but the measured ones is an estimate."""
    table = load_table(run_dir / "table" / "here.json")
    networks = [row.network for row in read_table(run_dir)]
    blocks = [block for network in networks for block in network.blocks]
    device = Device(name="board", peak_flops={"fp32": 1e11}, bandwidth_bytes_per_s=1e10)  # type: ignore[arg-type]
    roofline_table(blocks, device=device, name="board-estimated").save(run_dir / "table" / "board.json")
    (run_dir / "table" / "here.json").unlink()
    assert table.costs
    for name in ("final/results.json", "scale/scale.json", "search/winner.json", "search/pareto.json"):
        value = read_json(run_dir / name)
        for item in with_mark(value):
            item["estimated"] = _estimates(item["estimated"])
        write_json(run_dir / name, value)
    inputs = {"trained networks": sha256(run_dir / "final" / "results.json")}
    write_json(run_dir / "deploy" / "step.json", {"inputs": inputs})
    return run_dir


def _estimates(mark: bool | dict[str, bool]) -> bool | dict[str, bool]:
    return {name: name.startswith("latency_ms") for name in mark} if isinstance(mark, dict) else True


def with_mark(value: Any) -> Iterator[dict[str, Any]]:
    """Everything in a JSON value that says whether it is estimated."""
    if isinstance(value, dict):
        if "estimated" in value:
            yield value
        for item in value.values():
            yield from with_mark(item)
    elif isinstance(value, list):
        for item in value:
            yield from with_mark(item)


def words(text: str) -> str:
    """What a part says, without its pictures."""
    return parse(text).text


def printed(run_dir: Path, *, width: int) -> str:
    stream = io.StringIO()
    print_table(read_table(run_dir), Console(file=stream, width=width))
    return stream.getvalue()


def test_a_measured_run_says_it_nowhere(run_dir: Path) -> None:
    assert "est." not in printed(run_dir, width=120)
    assert "were measured on" not in part(run_dir, "Latency table")
    for section in SECTIONS:
        assert "estimate" not in part(run_dir, section.title)


@pytest.mark.parametrize("width", [80, 120])
def test_the_console_table(estimated: Path, width: int) -> None:
    text = printed(estimated, width=width)
    assert text.count(" est. ") == len(read_table(estimated))
    assert "est.: estimated by roofline, not measured" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= width


def test_only_what_is_estimated_is_marked(run_dir: Path) -> None:
    value = read_json(run_dir / "final" / "results.json")
    value["networks"][1]["estimated"] = True
    write_json(run_dir / "final" / "results.json", value)
    lines = [line for line in printed(run_dir, width=120).splitlines() if " est. " in line]
    assert [line.split()[0] for line in lines] == ["largest"]


def test_the_page_table(estimated: Path) -> None:
    found = part(estimated, "Result")
    assert len(re.findall(r"<td>[\d.]+ est\.</td>", found)) == len(read_table(estimated))
    assert "est.: estimated by roofline, not measured" in words(found)


def test_where_the_time_goes(estimated: Path) -> None:
    found = part(estimated, "The winner")
    assert "by block, estimated by the latency table board-estimated" in words(found)
    assert "redicted" not in found


def test_the_search(estimated: Path) -> None:
    assert read_search(estimated).cost == ("estimated latency", "ms")
    found = part(estimated, "Search")
    run = Run(estimated)
    next(section for section in SECTIONS if section.name == "search").render(run)
    chart = run.data["candidates"]["chart"]
    assert (chart["title"], chart["x"]) == ("Accuracy against estimated latency", "estimated latency (ms)")
    assert found.count("Latencies are estimated by the device") == 2  # of the winner, of the hypervolume
    assert "redicted" not in found


def test_the_scaling(estimated: Path) -> None:
    found = part(estimated, "Scaling")
    assert "φ = 0.5: estimated 0.114 ms" in words(found)
    assert '<th scope="col">estimated<small>ms</small></th>' in found
    assert parse(found).charts[0]["y"] == "estimated latency (ms)"
    assert "redicted" not in found


def test_the_latency_table(estimated: Path) -> None:
    found = part(estimated, "Latency table")
    count = len(load_table(estimated / "table" / "board.json").costs)
    assert f"{count} blocks, {count} of them estimated, on board" in words(found)
    assert "Estimated blocks were not measured." in words(found)
    assert parse(found).charts[0]["title"] == "Estimated against measured latency"
    assert "The exported files were measured on a laptop, 2 cores, not on board." in words(found)
    assert "error on unseen networks is unknown" in words(found)


def test_an_estimated_table_without_measured_networks_has_no_picture(estimated: Path) -> None:
    (estimated / "deploy" / "manifest.json").unlink()
    found = part(estimated, "Latency table")
    assert parse(found).charts == []
    assert "of them estimated" in found


def test_an_older_result_that_does_not_say_is_refused(run_dir: Path) -> None:
    value = read_json(run_dir / "scale" / "scale.json")
    del value["estimated"]
    write_json(run_dir / "scale" / "scale.json", value)
    assert "make it again: nas scale" in part(run_dir, "Scaling")
