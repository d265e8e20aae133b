"""Published tables: what ships, and the script that makes it from the published files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.latency import LatencyTable, load_table
from nas.resources import shipped
from nas.space import SearchSpace

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
NOTE10, HELP = DATA / "note10_block_latency", DATA / "ofa_mbv3_gpu_latency.csv"
needs_note10 = pytest.mark.skipif(not NOTE10.exists(), reason=f"needs the published files in {NOTE10.name}")
needs_help = pytest.mark.skipif(not HELP.exists(), reason=f"needs the published file {HELP.name}")
SHIPPED = shipped("latency_tables")
NAMES = ("samsung_note10-tflite", "v100-batch1", "v100-batch64", "titan_xp-batch64")

ENTRY = "  count: 4\n  mean: {mean}\n  std: 0.1\n"
HEAD = "kernel_sizes,expand_ratios,depths,resolution,v100_batch1_ms,v100_batch64_ms,titan_xp_batch64_ms\n"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.syspath_prepend(ROOT / "experiments" / "published_tables")
    return importlib.import_module("tables")


def test_blocks_are_recognised_pooled_over_files_and_the_missing_ones_named(
    script: Any, tmp_path: Path
) -> None:
    first = "Conv-input:160x160x3-output:80x80x24:\n" + ENTRY.format(mean=0.5)
    last = "Logits-input:1x1x1536-output:1000:\n" + ENTRY.format(mean=0.75)
    (tmp_path / "160_lookup_table.yaml").write_text(first + last)
    (tmp_path / "164_lookup_table.yaml").write_text(last.replace("0.75", "0.25").replace("4", "12"))
    table = script.note10.read(tmp_path)
    by_key = {key.split("(")[0]: cost for key, cost in table.costs.items()}
    assert by_key["conv"].ms == 0.5
    assert by_key["conv"].error_ms == pytest.approx(0.05)
    (logits,) = (record for record in table.probes if record.blocks[0].startswith("linear"))
    assert (logits.mean_ms, logits.count) == (pytest.approx((4 * 0.75 + 12 * 0.25) / 16), 16)
    assert logits.std_ms > 0.1  # the files' means differ, too
    assert table.accuracy is None
    assert table.provenance["resolutions"] == "160 164"
    assert table.provenance["missing"].count("inverted_residual(") > 90


@needs_note10
def test_the_shipped_table_of_the_note10_is_that_of_the_script_and_sums_up(
    script: Any, tmp_path: Path
) -> None:
    import yaml

    table = script.note10.read(NOTE10)
    table.save(tmp_path / "table.json")
    assert (tmp_path / "table.json").read_bytes() == (SHIPPED / "samsung_note10-tflite.json").read_bytes()
    assert table.provenance["missing"] == "none"
    space = SearchSpace.load("ofa_mobilenet_v3_w12")
    network = space.network(space.parse("r160-" + "-".join(["d2:e3+3:k3+3"] * 5)))
    published = yaml.safe_load((NOTE10 / "160_lookup_table.yaml").read_text(encoding="utf-8"))
    means = {key.split("-idskip")[0]: item["mean"] for key, item in published.items()}
    by_hand = sum(means[script.note10.published_name(b).split("-se:")[0]] for b in network.blocks[:-2])
    vectors = sum(table.costs[block.key].ms for block in network.blocks[-2:])  # pooled over 17 files
    assert table.predict(network) == pytest.approx(by_hand + vectors, rel=0.01)


@needs_help
def test_a_gpu_table_states_its_error_on_networks_that_it_has_not_seen(script: Any, tmp_path: Path) -> None:
    lines = HELP.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "some.csv").write_text("".join(lines[:61]), encoding="utf-8")
    table = script.from_networks(tmp_path / "some.csv", "v100-batch64")
    assert table.device == load_table("v100-batch64").device
    assert table.accuracy.networks == 60
    assert table.accuracy.table.mape < 0.02
    assert table.accuracy.table.mape < 0.6 * table.accuracy.macs.mape
    assert table.provenance["licence"] == "MIT"


def test_a_line_of_the_gpu_file(script: Any, tmp_path: Path) -> None:
    path = tmp_path / "gpu.csv"
    kernels, expands = " ".join(["3", "5", "7", "3"] * 5), " ".join(["3", "4", "6", "3"] * 5)
    path.write_text(HEAD + f"{kernels},{expands},2 3 2 4 2,160,7.5,20.0,50.0\n", encoding="utf-8")
    measured = script.read_latencies(path, "titan_xp-batch64")
    (arch,) = SearchSpace.load("ofa_mobilenet_v3").decode(measured.rows)
    assert str(arch).startswith("r160-d2:e3+4:k3+5-d3:e3+4+6:k3+5+7-")
    assert measured.latency_ms.tolist() == [50.0]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_table_predicts_states_its_source_and_is_small(name: str) -> None:
    table: LatencyTable = load_table(name)
    space = SearchSpace.load(table.space)
    networks = [space.network(arch) for arch in space.decode(space.sample_many(40, np.random.default_rng(0)))]
    known = [network for network in networks if not table.missing(network)]
    assert len(known) >= 20
    assert all(0.1 < table.predict(network) < 1000 for network in known)
    assert {"source", "publication", "licence", "unknown"} <= set(table.provenance)
    assert (SHIPPED / f"{name}.json").stat().st_size < 2_000_000
