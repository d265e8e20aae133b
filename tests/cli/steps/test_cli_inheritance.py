"""``finish.init`` and ``finish.teacher`` at the smallest budget."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from nas.cli.steps.context import Context
from nas.cli.steps.final.entries import baseline_note, entries
from nas.cli.steps.final.inheritance import beginning, teacher
from nas.deploy import read_metadata
from nas.errors import UserError
from nas.files import read_json, sha256
from nas.network import reference_network
from nas.nn import StaticNetwork, inherit
from nas.pretrained.network_start import NetworkStart
from nas.report import read_table
from nas.report.table import footnote
from nas.tracking import Guard
from nas.tracking.none import NoTracker
from tests.cli.hydra.test_cli_schema import composed
from tests.cli.steps.conftest import SETTINGS
from tests.cli.steps.test_cli_pipeline import Run

INHERITING = ("finish.init=supernet", "finish.scratch_control=true", "finish.teacher=supernet")


@pytest.fixture(scope="module")
def inherited(finished: Run) -> tuple[Path, str]:
    folder = finished.folder / "runs" / "inherited"
    shutil.copytree(finished.run_dir, folder)
    code, out, err = finished.nas("finish", *SETTINGS, *INHERITING, f"run_dir={folder}")
    assert code == 0, err
    return folder, out


def test_the_winner_inherits_and_its_control_does_not(inherited: tuple[Path, str]) -> None:
    folder, _ = inherited
    networks = {item["role"]: item for item in read_json(folder / "final" / "results.json")["networks"]}
    assert list(networks) == ["winner", "control", "baseline"]
    assert [item["init"] for item in networks.values()] == ["supernet", "scratch", "scratch"]
    assert networks["winner"]["network"] == networks["control"]["network"]
    assert networks["winner"]["sha256"] != networks["control"]["sha256"]
    assert 0 <= networks["winner"]["inherited_accuracy"] <= 1
    assert networks["control"]["inherited_accuracy"] is networks["baseline"]["inherited_accuracy"] is None


def test_all_have_seen_equally_many_images(inherited: tuple[Path, str], finished: Run) -> None:
    folder, out = inherited
    networks = {
        item["role"]: item["epochs"] for item in read_json(folder / "final" / "results.json")["networks"]
    }
    supernet = len((folder / "supernet" / "history.csv").read_text().splitlines()) - 1
    own = networks["winner"]
    assert supernet >= 1
    assert networks == {"winner": own, "control": own + supernet, "baseline": own + supernet}
    assert f"3 networks trained for {own} or {own + supernet} epochs each" in out
    code, _, err = finished.nas("finish", *SETTINGS, "finish.baseline_epochs=0", f"run_dir={folder}")
    assert code == 2
    assert "finish.baseline_epochs is 0; give a number of epochs" in err


def test_three_accuracies_stand_side_by_side(finished: Run, inherited: tuple[Path, str]) -> None:
    folder, _ = inherited
    winner, control = read_table(folder)[:2]
    assert winner.inherited_accuracy is not None and control.role == "control"
    figures = (winner.inherited_accuracy, winner.validation_accuracy, control.validation_accuracy)
    inherited_one, tuned, scratch = (f"{100 * value:.1f} %" for value in figures)
    text = f"winner {inherited_one} inherited, {tuned} fine-tuned, {scratch} from scratch"
    code, out, err = finished.nas("report", *SETTINGS, f"run_dir={folder}")
    assert code == 0, err
    assert text in " ".join(out.split())
    assert text in (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def pretrained(finished: Run) -> tuple[Path, str]:
    """A second run that starts from the first one's supernet, as if others had trained it."""
    folder = finished.folder / "runs" / "pretrained"
    shutil.copytree(finished.run_dir, folder)
    settings = ("finish.init=pretrained", f"train.init={finished.run_dir}", f"run_dir={folder}")
    code, out, err = finished.nas("finish", *SETTINGS, *settings, "finish.scratch_control=true")
    assert code == 0, err
    return folder, out


def test_the_winner_starts_with_pretrained_weights(finished: Run, pretrained: tuple[Path, str]) -> None:
    folder, out = pretrained
    winner, control, baseline = read_json(folder / "final" / "results.json")["networks"]
    assert [item["init"] for item in (winner, control, baseline)] == ["pretrained", "scratch", "scratch"]
    assert winner["origin"]["sha256"] == sha256(finished.run_dir / "supernet" / "weights.safetensors")
    assert control["origin"] is baseline["origin"] is None
    assert "no pretrained weights of mobilenet_v2 are used: baselines start from scratch" in out
    [first, *_] = read_table(folder)
    text = "Started with pretrained weights; on the validation images: winner"
    assert first.inherited_accuracy is not None and text in footnote(read_table(folder))


def test_networks_are_exported_with_their_own_normalisation(
    finished: Run, inherited: tuple[Path, str]
) -> None:
    folder = finished.folder / "runs" / "normalised"
    shutil.copytree(inherited[0], folder)
    results = read_json(folder / "final" / "results.json")
    results["networks"] = results["networks"][:2]
    means = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    for item, mean in zip(results["networks"], means, strict=True):
        item["mean"] = mean
    (folder / "final" / "results.json").write_text(json.dumps(results))
    code, _, err = finished.nas("export", *SETTINGS, *INHERITING, f"run_dir={folder}")
    assert code == 0, err
    files = ("winner.onnx", "winner_from_scratch.onnx")
    assert [list(read_metadata(folder / "deploy" / name).mean) for name in files] == means


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("finish.init=none", "unknown finish.init 'none'"),
        (
            "finish.init=pretrained",
            "finish.init is pretrained, but train.init names no weights",
        ),
        ("finish.teacher=missing.pth", "finish.teacher: missing.pth does not exist"),
        ("finish.teacher=mobilenet_v9", "finish.teacher: unknown pretrained network 'mobilenet_v9'"),
    ],
)
def test_weights_that_do_not_exist(finished: Run, settings: str, message: str) -> None:
    code, _, err = finished.nas("finish", *SETTINGS, settings)
    assert code == 2
    [line] = err.splitlines()
    assert message in line


def test_a_teacher_of_ones_own(tmp_path: Path) -> None:
    module = torchvision.models.mnasnet0_5(num_classes=10).eval()
    save_file(module.state_dict(), tmp_path / "teacher.safetensors")
    settings = (f"finish.teacher={tmp_path / 'teacher.safetensors'}", "data=digits", "data.channels=3")
    guide = teacher(Context(config=composed(*settings), run_dir=tmp_path, tracker=Guard(inner=NoTracker())))
    assert guide is not None and guide.resolution == 224
    x = torch.randn(1, 3, 224, 224)
    assert guide.normalize is not None
    with torch.no_grad():
        torch.testing.assert_close(
            guide.logits(x, normalize=guide.normalize), module(x), rtol=1e-4, atol=1e-4
        )
    grey = Context(config=composed(*settings[:2]), run_dir=tmp_path, tracker=Guard(inner=NoTracker()))
    with pytest.raises(UserError, match=r"it takes images with 3 channels, not 1; set data\.channels=3"):
        teacher(grey)


def test_a_teacher_with_other_classes(tmp_path: Path) -> None:
    save_file(torchvision.models.mnasnet0_5(num_classes=7).state_dict(), tmp_path / "teacher.safetensors")
    settings = (f"finish.teacher={tmp_path / 'teacher.safetensors'}", "data=digits")
    with pytest.raises(UserError, match=r"its 7 classes are not the 10 of the images; name a network"):
        teacher(Context(config=composed(*settings), run_dir=tmp_path, tracker=Guard(inner=NoTracker())))


def test_a_baseline_starts_with_its_published_weights(lite0: NetworkStart, tmp_path: Path) -> None:
    """Digits are grey, of 10 classes: the first filters are summed, the classifier is new."""
    (tmp_path / "own.json").write_text(json.dumps(reference_network("resnet20").to_dict()))
    settings = (
        "data=digits",
        "space=efficientnet_lite",
        "train.init=efficientnet_lite0",
        "finish.init=supernet",
        f"finish.network={tmp_path / 'own.json'}",
        "finish.extremes=false",
        "finish.baseline=efficientnet_lite0",
        "finish.baseline_widths=[0.5,1]",
        "finish.baseline_resolutions=[33]",
    )
    context = Context(config=composed(*settings), run_dir=tmp_path, tracker=Guard(inner=NoTracker()))
    _, narrow, whole = entries(context)
    assert [narrow.init, whole.init] == ["scratch", "pretrained"]
    assert "efficientnet_lite0 ×0.5: no pretrained weights of this width" in baseline_note(context)
    start = beginning(context, whole)
    assert start.model is not None and start.origin == lite0.origin.to_dict() and not start.classifier
    assert start.data.normalize.mean == pytest.approx((127 / 255,))
    name = "blocks.stem_0.block.conv.conv.weight"
    colour, grey = (model.state_dict()[name] for model in (lite0.pretrained.model, start.model))
    torch.testing.assert_close(grey, colour.sum(1, keepdim=True))
    target = StaticNetwork(whole.network)
    assert inherit(target, start.model, classifier=False) == ()
    assert beginning(context, narrow).model is None


def test_the_search_images_must_be_those_of_the_supernet(finished: Run, inherited: tuple[Path, str]) -> None:
    settings = (*SETTINGS, f"run_dir={inherited[0]}", "data.validation_fraction=0.3")
    code, _, err = finished.nas("finish", *settings, *INHERITING)
    assert code == 2
    assert "was made from other images or another split: data.validation_fraction was null and is 0.3" in err


def test_a_network_of_ones_own_must_fit(finished: Run, inherited: tuple[Path, str]) -> None:
    winner = read_json(finished.run_dir / "search" / "winner.json")["network"]
    own = finished.folder / "own.json"
    for stage in winner["stages"]:
        for block in stage:
            block["width"] *= 4
    own.write_text(__import__("json").dumps(winner))
    folder = finished.folder / "runs" / "own"
    shutil.copytree(finished.run_dir, folder)
    settings = (*SETTINGS, f"run_dir={folder}", f"finish.network={own}", "finish.init=supernet")
    code, _, err = finished.nas("finish", *settings)
    assert code == 2
    [line] = err.splitlines()
    assert "finish.init=supernet: stage 0 block 0: out_channels" in line
    assert "set finish.init=scratch, or name a network of the space" in line
