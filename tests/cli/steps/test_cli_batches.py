"""A device that takes several images at a time: every latency that a run says is named as that of a batch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.cli.steps.test_cli_pipeline import SPACE
from tests.conftest import Outcome

EXPERIMENT = """
# @package _global_
defaults:
  - override /data: digits
  - override /device: laptop_cpu
space: mini
data: {max_train_images: 200}
device: {batch: 4}
train: {epochs: 1, batch_size: 32, calibration_images: 32}
table: {name: roofline}
search: {trials: 4, population: 4, latency_fraction: 0.9, budgets_ms: [0.001, 1]}
scale: {latency_ratio: 1.3, min_phi: 0, max_phi: 0.2}
finish: {epochs: 1, batch_size: 32, extremes: false, baseline_widths: []}
export: {measure_budget: 1s, parity_images: 8}
"""


def test_a_run_in_batches(nas: Callable[..., Outcome], own_folder: Path) -> None:
    for name, text in (("search_spaces/mini.yaml", SPACE), ("conf/experiment/mini.yaml", EXPERIMENT)):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text(text.lstrip())
    outcome = nas("run", "experiment=mini")
    assert outcome.code == 0, outcome.err
    steps, table = outcome.out.split("Final comparison")
    assert set(re.findall(r"\d ms\b( per batch of 4)?", steps)) == {" per batch of 4"}
    for step in ("search: .* networks; winner", "scale: ", r"deploy: winner\.onnx"):
        assert re.search(rf"{step}.* ms per batch of 4", steps)
    assert "it is for laptop_cpu; run nas export there with device.batch=4" in steps
    assert "A latency is the time of one inference, of 4 images." in " ".join(table.split())
    run_dir = Path("runs/mini")
    results = json.loads((run_dir / "final" / "results.json").read_text())
    assert results["batch"] == 4
    winner = json.loads((run_dir / "search" / "winner.json").read_text())
    assert {each["name"]: each["unit"] for each in winner["objectives"]} == {
        "accuracy": "",
        "latency_ms": "ms per batch of 4",
    }
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    assert "ms per batch of 4" in page
    assert "Cannot be shown" not in page
