"""``nas run`` over a space of transformers: table, search, final training, INT8 and report."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from nas.deploy.manifest import read_manifest
from nas.report import read_table
from tests.cli.steps.test_cli_pipeline import Run

SETTINGS = (
    "data=digits",
    "data.max_train_images=256",
    "train=transformer",
    "finish=transformer",
    *("train.epochs=1", "finish.epochs=1", "finish.extremes=false", "finish.baseline_widths=[0.1]"),
    *("finish.workers=1", "table.budget=1s", "table.correction_networks=2", "table.validation_networks=2"),
    *("search.trials=6", "search.population=4", "search.latency_fraction=1", "scale.latency_ratio=1.2"),
    *("scale.min_phi=0", "scale.max_phi=1", "export.measure_budget=1s", "export.parity_images=8"),
    "export.formats=[onnx,onnx_int8]",
)


@pytest.mark.long
@pytest.mark.parametrize("space", ["vit_32", "mixed_attention_32"])
def test_the_whole_chain(space: str, tmp_path: Path) -> None:
    run = Run(tmp_path, "")
    code, _, err = run.nas("run", f"space={space}", "run_dir=runs/mini", *SETTINGS)
    assert code == 0, err
    assert "Traceback" not in err
    artefacts = read_manifest(run.run_dir / "deploy", check_files=True)
    assert {item.format for item in artefacts} == {"onnx", "onnx_int8"}
    [winner] = [item for item in artefacts if (item.name, item.format) == ("winner", "onnx_int8")]
    nodes = [node.op_type for node in onnx.load(run.run_dir / "deploy" / winner.file).graph.node]
    assert nodes.count("DequantizeLinear") > 10
    assert all(row.latency_ms for row in read_table(run.run_dir))
    page = (run.run_dir / "report.html").read_text(encoding="utf-8")
    assert space in page
