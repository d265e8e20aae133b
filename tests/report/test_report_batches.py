"""A latency is the time of one inference; where that takes a batch of images, everything shown says so."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from nas.files import read_json, sha256, write_json
from nas.latency import load_table
from nas.network import reference_network
from nas.report import print_table, read_table, report
from nas.report.cost import network_cost, summary
from nas.report.glance import summary as outcome
from tests.report.pages import parse
from tests.report.test_cost import device

BATCH = 8
UNIT = f"ms per batch of {BATCH}"


@pytest.fixture
def batched(run_dir: Path) -> Path:
    """The run as it is with ``device.batch=8``."""
    path = run_dir / "table" / "here.json"
    table = load_table(path)
    dataclasses.replace(table, device=dataclasses.replace(table.device, batch=BATCH)).save(path)
    for name in ("scale/scale.json", "final/results.json"):
        write_json(run_dir / name, {**read_json(run_dir / name), "batch": BATCH})
    for name in ("search/pareto.json", "search/winner.json"):
        text = (run_dir / name).read_text()
        (run_dir / name).write_text(text.replace('"unit": "ms"', f'"unit": "{UNIT}"'))
    manifest = read_json(run_dir / "deploy" / "manifest.json")
    for item in manifest["artefacts"]:
        item["device"]["batch"] = BATCH
    write_json(run_dir / "deploy" / "manifest.json", manifest)
    inputs = {"trained networks": sha256(run_dir / "final" / "results.json")}
    write_json(run_dir / "deploy" / "step.json", {"inputs": inputs})
    return run_dir


def text_of(run_dir: Path) -> str:
    """What the page says, in its charts too."""
    page = parse(report(run_dir).read_text(encoding="utf-8"))
    charts = [*page.charts, page.data["candidates"]["chart"]]
    labels = [label for chart in charts for label in (chart["x"], chart["y"])]
    tips = [tip for chart in charts for layer in chart["layers"] for tip in layer.get("tips", ())]
    return " ".join([page.text, *labels, *tips])


def units(text: str) -> list[str]:
    """What follows each ``ms``."""
    return re.findall(r"(?<![\w'])ms\b( per \w+(?: of \d+)?)?", text)


def test_every_latency_on_the_page_says_of_how_many_images_it_is(batched: Path) -> None:
    text = text_of(batched)
    assert text.count(UNIT) >= 12  # table, summary, pictures, search, scaling
    table = re.search(r"per image ms ", text)  # the heading and the unit of the column
    assert table is not None
    rest = text[: table.start()] + text[table.end() :]
    assert set(units(rest)) == {f" per batch of {BATCH}", " per image"}


def test_with_one_image_nothing_speaks_of_batches(run_dir: Path) -> None:
    text = text_of(run_dir)
    assert "batch of" not in text
    assert len(units(text)) > 12


def test_the_sentence_gives_both(batched: Path) -> None:
    rows = read_table(batched)
    winner = rows[0]
    assert winner.latency_ms is not None
    assert winner.image_ms == pytest.approx(winner.latency_ms.value / BATCH)
    assert f"{winner.latency_ms.value:.3f} {UNIT}, {winner.image_ms:.3f} ms per image, measured" in outcome(
        rows
    )


@pytest.mark.parametrize("width", [80, 120])
def test_the_final_table_has_a_column_for_one_image(batched: Path, width: int) -> None:
    stream = io.StringIO()
    print_table(read_table(batched), Console(file=stream, width=width))
    lines = stream.getvalue().splitlines()
    text = " ".join(stream.getvalue().split())
    assert max(map(len, lines)) <= width
    assert "A latency is the time of one inference, of 8 images." in text
    winner = next(line for line in lines if line.strip().startswith("winner"))
    image_ms = read_table(batched)[0].image_ms
    assert image_ms is not None
    assert winner.split()[-1] == f"{image_ms:.3f}"


def test_files_measured_with_another_batch_than_predicted_are_told_apart(batched: Path) -> None:
    manifest = read_json(batched / "deploy" / "manifest.json")
    for item in manifest["artefacts"]:
        del item["device"]["batch"]
    write_json(batched / "deploy" / "manifest.json", manifest)
    row = read_table(batched)[0]
    assert (row.predicted_batch, row.measured_batch) == (BATCH, 1)
    assert row.latency_ms is not None
    assert row.image_ms == row.latency_ms.value


def test_cost_says_which_figures_are_of_the_batch() -> None:
    many = dataclasses.replace(device("a100"), batch=BATCH)
    text = " ".join(summary(network_cost(reference_network("resnet18"), name="r", device=many)))
    assert "Bytes and times are those of a batch of 8 images, MACs those of one." in text
    assert re.search(r"at least [\d.]+ ms per batch of 8, [\d.]+ ms per image, estimated", text)
    one = " ".join(summary(network_cost(reference_network("resnet18"), name="r", device=device("a100"))))
    assert "batch of" not in one
