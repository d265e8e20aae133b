"""Published tables."""

from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.latency import load_table
from nas.latency.importers import formats, import_table
from nas.latency.importers.compofa_note10 import published_name
from nas.latency.importers.help_ofa import read_setting
from nas.space import SearchSpace

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NOTE10, HELP = DATA / "note10_block_latency", DATA / "ofa_mbv3_gpu_latency.csv"
needs_note10 = pytest.mark.skipif(not NOTE10.exists(), reason=f"needs the published files in {NOTE10.name}")
needs_help = pytest.mark.skipif(not HELP.exists(), reason=f"needs the published file {HELP.name}")

ENTRY = "  count: 4\n  mean: {mean}\n  std: 0.1\n"
HEAD = "kernel_sizes,expand_ratios,depths,resolution,v100_batch1_ms,v100_batch64_ms,titan_xp_batch64_ms\n"


@pytest.fixture
def one_file(tmp_path):
    """The files' form, with two entries."""
    first = "Conv-input:160x160x3-output:80x80x24:\n" + ENTRY.format(mean=0.5)
    last = "Logits-input:1x1x1536-output:1000:\n" + ENTRY.format(mean=0.75)
    (tmp_path / "160_lookup_table.yaml").write_text(first + last, encoding="utf-8")
    (tmp_path / "164_lookup_table.yaml").write_text(
        last.replace("0.75", "0.25").replace("4", "12"), encoding="utf-8"
    )
    return tmp_path


def test_blocks_are_recognised_pooled_over_files_and_the_missing_ones_named(one_file):
    table = import_table("samsung_note10-tflite", one_file, name="mine")
    by_key = {key.split("(")[0]: cost for key, cost in table.costs.items()}
    assert table.name == "mine"
    assert by_key["conv"].ms == 0.5
    assert by_key["conv"].error_ms == pytest.approx(0.05)
    (logits,) = (record for record in table.probes if record.blocks[0].startswith("linear"))
    assert (logits.mean_ms, logits.count) == (pytest.approx((4 * 0.75 + 12 * 0.25) / 16), 16)
    assert logits.std_ms > 0.1  # what the files differ by counts too
    assert table.accuracy is None
    assert table.provenance["resolutions"] == "160 164"
    assert table.provenance["missing"].count("inverted_residual(") > 90


def test_names_of_blocks_are_the_published_ones():
    space = SearchSpace.load("ofa_mobilenet_v3_w12")
    names = {published_name(block) for block in space.block_specs(resolutions=[160])}
    assert "Conv-input:160x160x3-output:80x80x24" in names
    assert "expanded_conv-input:10x10x136-output:5x5x192-expand:408-kernel:3-stride:2-se:1-hs:1" in names
    assert "Conv_1-input:5x5x192-output:5x5x1152" in names
    assert "AvgPool2D-input:5x5x1152-output:1x1x1152" in names
    assert "Conv_2-input:1x1x1152-output:1x1x1536" in names
    assert "Logits-input:1x1x1536-output:1000" in names


@needs_note10
def test_the_published_table_of_the_note10_is_complete_and_sums_up():
    import yaml

    table = import_table("samsung_note10-tflite", NOTE10)
    assert table.provenance["missing"] == "none"
    space = SearchSpace.load("ofa_mobilenet_v3_w12")
    network = space.network(space.parse("r160-" + "-".join(["d2:e3+3:k3+3"] * 5)))
    published = yaml.safe_load((NOTE10 / "160_lookup_table.yaml").read_text(encoding="utf-8"))
    means = {key.split("-idskip")[0]: item["mean"] for key, item in published.items()}
    by_hand = sum(means[published_name(block).split("-se:")[0]] for block in network.blocks[:-2])
    vectors = sum(table.costs[block.key].ms for block in network.blocks[-2:])  # pooled over 17 files
    assert table.predict(network) == pytest.approx(by_hand + vectors, rel=0.01)


@needs_help
def test_a_gpu_table_states_its_error_on_networks_that_it_has_not_seen(tmp_path):
    lines = HELP.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "some.csv").write_text("".join(lines[:61]), encoding="utf-8")
    table = import_table("v100-batch64", tmp_path / "some.csv")
    assert table.device.batch == 64
    assert table.accuracy.networks == 60
    assert table.accuracy.table.mape < 0.02
    assert table.accuracy.table.mape < 0.6 * table.accuracy.macs.mape
    assert table.provenance["licence"] == "MIT"


def test_a_line_of_the_gpu_file(tmp_path):
    path = tmp_path / "gpu.csv"
    kernels, expands = " ".join(["3", "5", "7", "3"] * 5), " ".join(["3", "4", "6", "3"] * 5)
    path.write_text(HEAD + f"{kernels},{expands},2 3 2 4 2,160,7.5,20.0,50.0\n", encoding="utf-8")
    found = read_setting(path, setting="titan_xp-batch64")
    (arch,) = SearchSpace.load("ofa_mobilenet_v3").decode(found.rows)
    assert str(arch).startswith("r160-d2:e3+4:k3+5-d3:e3+4+6:k3+5+7-")
    assert found.latency_ms.tolist() == [50.0]
    path.write_text(HEAD + f"{kernels},{expands},2 3 2 9 2,160,7.5,20.0,50.0\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"gpu\.csv, line 2: not a line of HELP's latencies .*depth"):
        import_table("v100-batch1", path)


def test_what_cannot_be_imported(tmp_path):
    with pytest.raises(UserError, match=r"unknown format of latency tables 'v100'; did you mean v100-batch"):
        import_table("v100", tmp_path)
    with pytest.raises(UserError, match=r"none does not exist; name the file or folder that holds HELP's"):
        import_table("v100-batch64", tmp_path / "none")
    with pytest.raises(UserError, match=r"holds no file like 224_lookup_table\.yaml"):
        import_table("samsung_note10-tflite", tmp_path)
    (tmp_path / "224_lookup_table.yaml").write_text("Conv-input:\n  mean: 1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"is not one of CompOFA's lookup tables \(KeyError: 'std'\)"):
        import_table("samsung_note10-tflite", tmp_path)
    assert "samsung_note10-tflite" in formats()


@pytest.mark.parametrize("name", formats())
def test_a_shipped_table_predicts_states_its_source_and_is_small(name):
    from nas.resources import shipped

    table = load_table(name)
    space = SearchSpace.load(table.space)
    networks = [space.network(arch) for arch in space.decode(space.sample_many(40, np.random.default_rng(0)))]
    known = [network for network in networks if not table.missing(network)]
    assert len(known) >= 20
    assert all(0.1 < table.predict(network) < 1000 for network in known)
    assert {"source", "publication", "licence", "unknown"} <= set(table.provenance)
    assert (shipped("latency_tables") / f"{name}.json").stat().st_size < 2_000_000
