"""``nas run`` as a whole: a folder of pictures of three classes and many sizes, at the smallest budgets."""

from __future__ import annotations

import dataclasses
import importlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from PIL import Image

from nas.cli.__main__ import main
from nas.deploy.artefact import file_stem
from nas.deploy.manifest import read_manifest
from nas.files import sha256
from nas.latency import BlockModel, load_table
from nas.network import NetworkSpec
from nas.nn import StaticNetwork
from nas.report import read_table
from nas.report.records import ORIGINS, is_outdated
from nas.runner.samples import read_samples
from nas.training.data import FileImages, Normalization, batches, load_data
from nas.training.weights import load_weights
from tests.runner.busy import busy_program

ROOT = Path(__file__).resolve().parents[3]

SPACE = """
name: mini
description: Two sizes of one stage.
source: For tests.
resolution: [16, 20]
stem:
  - {kind: conv, width: 8, kernel: 3, stride: 2, activation: relu}
stages:
  - kind: inverted_residual
    depth: [1, 2]
    width: 16
    stride: 2
    activation: relu
    each_block:
      kernel: [3, 5]
      expand: [2, 3]
head:
  - {kind: conv, width: 32, kernel: 1, activation: relu}
  - {kind: pool}
"""

EXPERIMENT = """
# @package _global_
defaults:
  - override /data: image_folder
space: mini
data: {root: pets}
train: {epochs: 1, batch_size: 16, calibration_images: 16}
table: {budget: 1s, correction_networks: 2, validation_networks: 2}
search: {trials: 6, population: 4, latency_fraction: 1}
scale: {latency_ratio: 1.3, min_phi: 0, max_phi: 1}
finish: {epochs: 1, batch_size: 16, extremes: false, baseline_widths: [0.1], baseline_resolutions: [20]}
export: {measure_budget: 1s, parity_images: 8}
"""

STEPS = ("supernet", "table", "search", "scale", "final", "deploy")


def write_pets(folder: Path, *, classes: tuple[str, ...] = ("red", "green", "blue"), count: int = 20) -> None:
    """Pictures of different sizes, in colours that tell the classes apart."""
    rng = np.random.default_rng(0)
    for index, name in enumerate(classes):
        (folder / "train" / name).mkdir(parents=True)
        mean = np.roll([200, 60, 60], index)
        for number in range(count):
            height, width = rng.integers(18, 50, 2)
            pixels = np.clip(rng.normal(mean, 40, (height, width, 3)), 0, 255).astype(np.uint8)
            suffix = ("png", "jpg")[number % 2]
            Image.fromarray(pixels).save(folder / "train" / name / f"{number}.{suffix}")


def write_project(folder: Path) -> None:
    """What a user would have: pictures, a space and an experiment."""
    write_pets(folder / "pets")
    for name, text in (("search_spaces/mini.yaml", SPACE), ("conf/experiment/mini.yaml", EXPERIMENT)):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text.lstrip())


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    out: str

    @property
    def run_dir(self) -> Path:
        return self.folder / "runs" / "mini"

    def nas(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            try:
                code = main(arguments)
            except SystemExit as end:
                code = int(str(end.code))
        return code, out.getvalue(), err.getvalue()

    def results(self) -> dict[str, str]:
        """The content of all that steps have written."""
        files = [path for step in STEPS for path in (self.run_dir / step).rglob("*") if path.is_file()]
        return {str(path.relative_to(self.run_dir)): sha256(path) for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    code, out, err = Run(folder, "").nas("run", "experiment=mini")
    assert code == 0, err
    return Run(folder, out)


def test_a_run_holds_what_the_design_lists(finished: Run) -> None:
    names = {str(path.relative_to(finished.run_dir)) for path in finished.run_dir.rglob("*")}
    assert {
        "config.yaml",
        "provenance.json",
        "nas.log",
        "report.html",
        "search/journal.log",
        "search/trials.csv",
        "search/pareto.json",
        "search/winner.json",
        "deploy/manifest.json",
        "deploy/winner.onnx",
        "deploy/README.md",
        "deploy/MODEL_CARD.md",
        *STEPS,
        *(f"{step}/step.json" for step in STEPS),
    } <= names
    assert [name for name in names if name.startswith("table/") and name.endswith(".json")]
    hidden = [name for name in names if "/" not in name and name.startswith(".")]
    assert hidden == []
    assert {path.name for path in finished.folder.iterdir()} == {"pets", "search_spaces", "conf", "runs"}


def test_the_report_knows_what_each_step_was_made_of(finished: Run) -> None:
    for step in ("search", "scale", "final", "deploy"):
        name, source, _ = ORIGINS[step]
        record = json.loads((finished.run_dir / step / "step.json").read_text())
        assert record["inputs"][name] == sha256(finished.run_dir / source)
        assert not is_outdated(finished.run_dir, step)
    assert "from an earlier" not in (finished.run_dir / "report.html").read_text()


def test_a_run_ends_with_the_table(finished: Run) -> None:
    last = finished.out[finished.out.rindex("deploy: done") :]
    for text in ("winner", "mobilenet_v2", "test accuracy", "MACs", "predicted", "measured"):
        assert text in last


def test_test_images_are_counted_for_each_class(finished: Run) -> None:
    for item in json.loads((finished.run_dir / "final" / "results.json").read_text())["networks"]:
        assert len(item["test_by_class"]) == len(item["classes"]) == 3
        assert sum(total for _, total in item["test_by_class"]) == item["test_total"]
        assert sum(correct for correct, _ in item["test_by_class"]) == item["test_correct"]
    for artefact in read_manifest(finished.run_dir / "deploy"):
        assert sum(total for _, total in artefact.test_by_class) == artefact.test_total
    assert "Balanced accuracy, the mean over classes: winner " in " ".join(finished.out.split())


def test_the_model_card_describes_the_run(finished: Run) -> None:
    text = (finished.run_dir / "deploy" / "MODEL_CARD.md").read_text()
    metadata = yaml.safe_load(text.split("---\n")[1])
    shipped = read_manifest(finished.run_dir / "deploy")[0]
    assert shipped.test_correct is not None and shipped.test_total == 12
    [result] = metadata["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == pytest.approx(shipped.test_correct / 12, abs=1e-4)
    assert result["dataset"]["name"] == "pets (image_folder)"
    counts = dict(
        re.findall(r"^\| (training|search-validation|test) +\|[^|]+\| +(\d+) \|$", text, re.MULTILINE)
    )
    assert counts == {"training": "36", "search-validation": "12", "test": "12"}
    assert "6 networks of the space `mini` were evaluated" in text and "(epochs 1, recipe `sandwich`)" in text
    assert "(epochs 1, batch size 16" in text


def test_the_readme_runs_the_winner_on_a_picture(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = finished.run_dir / "deploy"
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (folder / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    splits = load_data(
        "image_folder", root=finished.folder / "pets", seed=0, validation_fraction=None, test_fraction=0.2
    )
    normalize = Normalization.measure(splits.train, seed=0)
    paths = tuple(str(finished.folder / f"pets/train/{name}/1.jpg") for name in splits.classes)
    files = FileImages(labels=torch.zeros(3, dtype=torch.int64), paths=paths, color_channels=3)
    assert splits.store_size is not None
    images = files.decoded(size=splits.store_size, workers=0, progress=lambda done, total: None)
    winner = json.loads((finished.run_dir / "final" / "results.json").read_text())["networks"][0]
    model = StaticNetwork(NetworkSpec.from_dict(winner["network"])).eval()
    load_weights(model, finished.run_dir / "final" / winner["weights"])
    resolution, cpu = model.network.resolution, torch.device("cpu")
    [(x, _)] = batches(images, batch_size=3, resolution=resolution, device=cpu, normalize=normalize)
    monkeypatch.chdir(folder)
    for path, image in zip(paths, x, strict=True):
        names: dict[str, Any] = {}
        exec("".join(blocks[:2]).replace("image.jpg", path), names)
        with torch.no_grad():
            expected = model(image[None]).numpy()
        assert names["logits"] == pytest.approx(expected, abs=1e-4)
        assert names["CLASSES"] == list(splits.classes)


def test_the_provenance_names_the_space_by_its_content(finished: Run) -> None:
    record = json.loads((finished.run_dir / "provenance.json").read_text())
    assert record["overrides"] == ["experiment=mini"]
    hashes = {item["sha256"] for item in record["inputs"].values()}
    assert sha256(finished.folder / "search_spaces" / "mini.yaml") in hashes


def test_a_second_run_skips_every_step(finished: Run) -> None:
    before = finished.results()
    code, out, _ = finished.nas("run", "experiment=mini")
    assert code == 0
    assert [line for line in out.splitlines() if "skipped" in line] == [
        f"{step}: already done, skipped" for step in STEPS
    ]
    assert finished.results() == before


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("export", "deploy/winner.onnx"),
        ("export", "deploy/MODEL_CARD.md"),
        ("finish", "final/winner.safetensors"),
    ],
)
def test_a_file_that_ships_is_made_anew_if_it_is_gone(finished: Run, command: str, name: str) -> None:
    folder = finished.folder / "runs" / f"without_{Path(name).name}"
    shutil.copytree(finished.run_dir, folder)
    (folder / name).unlink()
    code, out, err = finished.nas(command, "experiment=mini", f"run_dir={folder}")
    assert code == 0, err
    step, file = name.split("/")
    assert f"{step}: done again, because {file} is missing or was changed" in out
    assert (folder / name).is_file()


def test_new_images_are_trained_on(tmp_path: Path) -> None:
    write_project(tmp_path)
    run = Run(tmp_path, "")
    for expected in ("supernet: done in ", "supernet: already done, skipped"):
        code, out, err = run.nas("train", "experiment=mini")
        assert code == 0, err
        assert expected in out
    shutil.copy(
        tmp_path / "pets" / "train" / "red" / "0.png", tmp_path / "pets" / "train" / "red" / "new.png"
    )
    _, out, _ = run.nas("train", "experiment=mini")
    assert 'supernet: done again, because data.files: "60 files, ' in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.root=nowhere"], "nowhere"),
        (["data.root=empty"], "empty"),
        (["data.root=one"], "one"),
        (["data.root=broken"], r"0.png"),
        (
            ["search.latency_ms=0.000001", "search.latency_fraction=null"],
            "the smallest latency_ms that can be met is",
        ),
        (["space=other"], "unknown search space 'other'; allowed: "),
        (["device=phone"], "unknown device option 'phone'; allowed: "),
        (["table=phone"], "phone"),
        (["table.budget=5"], "'5' is not a duration"),
        (["search.sampler=nsga"], "unknown sampler 'nsga'; did you mean nsga3 or nsga2"),
        (["data.name=digit"], "unknown data set 'digit'; did you mean digits"),
        (
            ["scale.latency_fraction=0.5"],
            "scale.latency_ratio and scale.latency_fraction all bound the latency",
        ),
        (["scale.depth_rounding=down"], "unknown scale.depth_rounding 'down'; allowed: nearest, up"),
        (["finish.workers=0"], "finish.workers is 0; there must be at least one, or null"),
        (["train.momentum=2"], "train.momentum is 2.0; give 0 for none, or a share below 1"),
        (["train.calibration_images=0"], "train.calibration_images is 0; give at least 1"),
        (["finish.batch_size=0"], "finish.batch_size is 0; give at least 1"),
        (["finish.ema_decay=1"], "finish.ema_decay is 1.0; give 0 for no average"),
        (
            ["finish.baseline_resolutions=null", "finish.baseline_resolution=-1"],
            "finish.baseline_resolution is -1; give a number of pixels",
        ),
        (["finish.baseline_resolutions=[16,0]"], "finish.baseline_resolutions is [16, 0]; give numbers of"),
        (["finish.baseline_resolutions=[]"], "finish.baseline_resolutions is []; give numbers of pixels"),
        (["finish.baseline_resolution=16"], "finish.baseline_resolution and finish.baseline_resolutions are"),
        (["finish.baseline_stride=0"], "finish.baseline_stride is 0; give at least 1, or null"),
        (["scale.alpha=0"], "scale.alpha is 0.0; give a positive number"),
        (
            ["scale.alpha=0.9"],
            "scale.method=latency: alpha, beta and gamma are 0.9, 1.1 and 1.15; give numbers",
        ),
        (["scale.method=best"], "unknown scale.method 'best'; allowed: compound, grid, latency"),
        (["scale.method=grid"], "scale.method=grid compares trained networks; set scale.score_epochs"),
        (["scale.score_epochs=-1"], "scale.score_epochs is -1; give a whole number of at least 0"),
        (["scale.scored=0"], "scale.scored is 0; give a whole number of at least 1"),
        (["scale.fallbacks=-1"], "scale.fallbacks is -1; give a whole number of at least 0"),
        (["scale.family=-1"], "scale.family is -1; give a whole number of at least 0"),
        (["scale.beta=-1"], "scale.beta is -1.0; give a positive number"),
        (["scale.gamma=nan"], "scale.gamma is nan; give a positive number"),
        (["scale.latency_ratio=0"], "scale.latency_ratio is 0.0; give a positive number"),
        (["scale.min_phi=2"], "scale.min_phi is 2 and scale.max_phi 1; give -16 ≤ min_phi ≤ max_phi"),
        (
            ["scale.latency_ratio=null", "scale.latency_fraction=1.5"],
            "scale.latency_fraction is 1.5; it is a share of the largest network's latency: 0 < share ≤ 1",
        ),
        (["search.latency_fraction=0"], "search.latency_fraction is 0.0; it is a share"),
        (["search.latency_fraction=2"], "for another bound, set search.latency_ms"),
        (
            ["search.latency_fraction=null", "search.latency_ms=-1"],
            "search.latency_ms is -1.0; give a positive",
        ),
        (
            ["search.halving=[0.5,0.25]"],
            "search.halving is [0.5, 0.25]; give shares between 0 and 1 that rise",
        ),
        (["search.trials=0"], "search.trials is 0; there must be at least one"),
        (["data.workers=-1"], "data.workers is -1; give 0 for none"),
        (["data.cache=foo"], "unknown data.cache 'foo'; allowed: auto, disk, memory"),
        (["data.max_train_images=0"], "data.max_train_images is 0; give at least 1"),
        (["data.augment.resized_crop=[0.5]"], "data.augment.resized_crop is [0.5]; give two shares"),
        (["data.augment.crop_padding=1"], "data.augment.crop_padding is 1.0; give a fraction"),
        (["data.augment.rand_augment=-1"], "data.augment.rand_augment is -1; give a number of operations"),
        (["data.augment.erase=2"], "data.augment.erase is 2.0; give a share of the images, 0 to 1"),
        (["finish.init=best"], "unknown finish.init 'best'; allowed: pretrained, scratch, supernet"),
        (
            ["finish.teacher=resnet50"],
            "finish.teacher: the weights of resnet50 are not here; set pretrained.download",
        ),
        (["finish.distill=none"], "unknown finish.distill 'none'; allowed: alpha, soft"),
        (["finish.teacher_share=0"], "finish.teacher_share is 0.0; give the teacher's share of the loss"),
        (["finish.mixup=-1"], "finish.mixup is -1.0; give 0 for none, or a positive alpha"),
        (["finish.early_stop=0"], "finish.early_stop is 0; give a number of epochs, or null"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_bad_input_is_one_message_and_leaves_results_untouched(
    finished: Run, arguments: list[str], message: str
) -> None:
    for name, classes in (("empty", ()), ("one", ("red",)), ("broken", ("red", "blue"))):
        if not (finished.folder / name).exists():
            (finished.folder / name / "train").mkdir(parents=True)
            for kind in classes:
                (finished.folder / name / "train" / kind).mkdir()
                (finished.folder / name / "train" / kind / "0.png").write_bytes(b"no picture")
    before = finished.results()
    code, _, err = finished.nas("run", "experiment=mini", *arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err
    assert finished.results() == before


@pytest.mark.parametrize(
    ("command", "setting", "message"),
    [
        ("trust", "trust.learning_rate=-1", "trust.learning_rate is -1.0; give 0 or a positive number"),
        ("search", "train.calibration_images=-5", "train.calibration_images is -5; give at least 1"),
        *(
            (command, "data.cache=foo", "unknown data.cache 'foo'")
            for command in ("train", "search", "export")
        ),
    ],
)
def test_one_command_finds_bad_settings_of_a_step_that_is_done(
    finished: Run, command: str, setting: str, message: str
) -> None:
    before = finished.results()
    code, out, err = finished.nas(command, "experiment=mini", setting)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert message in err
    assert "skipped" not in out
    assert finished.results() == before


def test_one_command_can_be_repeated_alone_with_other_settings(finished: Run) -> None:
    kept = (finished.run_dir / "scale" / "step.json").read_text()
    code, out, _ = finished.nas("scale", "experiment=mini", "scale.latency_ratio=1.1")
    assert code == 0
    assert "scale: done again, because" in out
    assert "1.3 -> 1.1" in out
    assert (finished.run_dir / "scale.previous" / "step.json").read_text() == kept
    assert finished.nas("scale", "experiment=mini")[0] == 0  # and back, for the other tests


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        ("search", ["seed=1"], "supernet was made from other images or another split: seed was 0 and is 1; "),
        (
            "search",
            ["data.validation_fraction=0.25", "data.channels=1"],
            "data.channels was null and is 1; give the same settings, or make it again with `nas train`",
        ),
        ("trust", ["data=digits"], 'data.name was "image_folder" and is "digits"'),
        ("trust", ["data.max_train_images=12"], "data.max_train_images was null and is 12"),
        ("finish", ["seed=1"], "search was made from other images or another split: seed was 0 and is 1; "),
        ("finish", ["data.test_fraction=0.3"], "make it again with `nas search`"),
        ("export", ["seed=1"], "final was made from other images or another split: seed was 0 and is 1; "),
        ("export", ["data.store_size=12"], "make it again with `nas finish`"),
    ],
)
def test_images_of_another_split_are_refused(
    finished: Run, command: str, settings: list[str], message: str
) -> None:
    before = finished.results()
    code, _, err = finished.nas(command, "experiment=mini", *settings)
    assert code == 2
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err
    assert finished.results() == before


def test_what_another_split_changes_is_made_anew(finished: Run) -> None:
    folder = finished.folder / "runs" / "split"
    shutil.copytree(finished.run_dir, folder)
    given = ["experiment=mini", f"run_dir={folder}", "seed=1"]
    code, out, err = finished.nas("train", *given)
    assert code == 0, err
    assert "supernet: done again, because seed: 0 -> 1" in out
    assert finished.nas("search", *given, "data.augment.flip=true")[0] == 0, "this changes no image judged on"
    assert finished.nas("scale", *given)[0] == 0
    given += ["data.validation_fraction=0.2", "finish.workers=1"]
    assert finished.nas("finish", *given)[0] == 0, "the test images are the same"


def test_a_run_makes_its_own_damaged_table_again(finished: Run) -> None:
    """The search's check of tables, which comes before any step, leaves it to the step that makes it."""
    folder = finished.folder / "runs" / "damaged_table"
    shutil.copytree(finished.run_dir, folder)
    [table] = folder.glob("table/mini-*.json")
    table.write_bytes(table.read_bytes()[:300])
    code, out, err = finished.nas("run", "experiment=mini", "finish.workers=1", f"run_dir={folder}")
    assert code == 0, err
    assert "table: done again" in out
    assert json.loads(table.read_text(encoding="utf-8"))


def test_without_a_record_nothing_says_which_images_were_seen(finished: Run) -> None:
    folder = finished.folder / "runs" / "no_record"
    shutil.copytree(finished.run_dir, folder)
    (folder / "supernet" / "step.json").write_text("{}")
    code, _, err = finished.nas("search", "experiment=mini", f"run_dir={folder}")
    assert code == 2
    assert "step.json is missing or damaged, and nothing else says which images supernet was made from" in err


@pytest.mark.parametrize(
    ("command", "maker"), [("search", "nas train"), ("trust", "nas train"), ("export", "nas finish")]
)
def test_weights_for_other_classes_are_refused(finished: Run, command: str, maker: str) -> None:
    folder, pets = finished.folder / "runs" / f"classes_{command}", finished.folder / "pets" / "train"
    shutil.copytree(finished.run_dir, folder)
    shutil.copytree(pets / "red", pets / "white")
    try:
        given = ["experiment=mini", f"run_dir={folder}", "seed=0", "trust.networks=1", "trust.top=1"]
        code, _, err = finished.nas(command, *given, "search.trials=5", "export.parity_images=4")
    finally:
        shutil.rmtree(pets / "white")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert f"make it again with `{maker}`" in err


@pytest.fixture
def lacking(finished: Run) -> Iterator[Path]:
    """The run's table without one of its blocks, which is then searched with; the run is put right again."""
    [path] = (finished.run_dir / "table").glob("mini-*.json")
    table = load_table(path)
    gone = next(key for key in table.costs if key.startswith("inverted_residual"))
    costs = {key: cost for key, cost in table.costs.items() if key != gone}
    assert isinstance(table.model, BlockModel)
    partial = dataclasses.replace(table, model=BlockModel(costs, table.model.correction))
    partial.save(finished.folder / "lacking.json")
    yield finished.folder / "lacking.json"
    for command in ("search", "scale"):
        assert finished.nas(command, "experiment=mini")[0] == 0


def test_blocks_that_the_table_lacks_are_an_error_if_it_is_asked_for(finished: Run, lacking: Path) -> None:
    code, out, err = finished.nas("search", "experiment=mini", "table=lacking.json", "table.missing=error")
    assert code == 2
    assert "nas table table.check=lacking.json" in out
    assert "(space mini, device this_machine) lacks 1 block of this network:" in err
    assert "measure them on the device: nas table device=this_machine space=mini" in err


@pytest.mark.parametrize(("policy", "said"), [("measure", "measured now"), ("estimate", "estimated")])
def test_blocks_that_the_table_lacks_are_measured_or_estimated(
    finished: Run, lacking: Path, policy: str, said: str
) -> None:
    given = ("experiment=mini", "table=lacking.json", f"table.missing={policy}")
    code, out, err = finished.nas("search", *given)
    assert code == 0, err
    assert f"table: 1 block that mini-this_machine lacks is {said}" in out
    assert (
        "check it in half a minute: nas table table.check=lacking.json space=mini device=this_machine" in out
    )
    [added] = set(load_table(finished.run_dir / "search" / "table.json").costs) - set(
        load_table(lacking).costs
    )
    given = (*given, "scale.method=compound", "scale.max_phi=4")
    code, out, err = finished.nas("scale", *given)  # with what the search has added
    assert code == 0, err
    tried = json.loads((finished.run_dir / "scale" / "scale.json").read_text())["tried"]
    assert policy == "measure" or len(tried) == 41, "estimates cost nothing: the whole grid is looked at"
    scaled = load_table(finished.run_dir / "scale" / "table.json")
    assert scaled.costs[added].estimated == (policy == "estimate")


def test_a_family_is_scored_trained_and_exported(finished: Run) -> None:
    """The whole of the scaling: a grid of growths, each trained for an epoch, and the members φ = 0 and 1."""
    folder = finished.folder / "runs" / "family"
    shutil.copytree(finished.run_dir, folder)
    given = ("experiment=mini", f"run_dir={folder}", "export.formats=[onnx]")
    given += ("scale.method=grid", "scale.score_epochs=1", "scale.family=1")
    for command in ("scale", "finish", "export"):
        code, _, err = finished.nas(command, *given)
        assert code == 0, err
    scaled = json.loads((folder / "scale" / "scale.json").read_text())
    growth = scaled["growth"]
    assert growth["alpha"] * growth["beta"] ** 2 * growth["gamma"] ** 2 == pytest.approx(2)
    best = max(item["accuracy"] for item in scaled["scores"])
    assert len(scaled["scores"]) > 1 and 0 <= best <= 1
    assert [member["phi"] for member in scaled["family"]] == [0, 1]
    networks = json.loads((folder / "final" / "results.json").read_text())["networks"]
    members = {item["name"]: item["network"] for item in networks if item["role"] in ("winner", "family")}
    for member in scaled["family"]:  # one that equals the winner is not trained twice
        assert member["network"] in members.values()
    for name in members:
        assert (folder / "deploy" / f"{file_stem(name)}.onnx").is_file()


def test_candidates_are_scored_with_the_supernet_or_by_training(finished: Run) -> None:
    code, out, err = finished.nas("scale", "experiment=mini", "scale.score_epochs=1", "scale.scored=2")
    assert code == 0, err
    assert re.search(r"scale: [12] networks? scored", out)
    scaled = json.loads((finished.run_dir / "scale" / "scale.json").read_text())
    assert scaled["method"] == "latency"
    assert scaled["predicted_ms"] <= 0.97 * scaled["latency_ms"]
    latencies = [scaled["predicted_ms"], *(item["predicted_ms"] for item in scaled["fallbacks"])]
    assert latencies == sorted(latencies, reverse=True)
    assert finished.nas("scale", "experiment=mini")[0] == 0


def test_a_network_of_the_users_own_is_trained_and_exported_without_a_search(finished: Run) -> None:
    shutil.copyfile(finished.run_dir / "scale" / "scale.json", finished.folder / "runs" / "net.json")
    given = (
        "experiment=mini",
        "run_dir=runs/own",
        "finish.network=runs/net.json",
        "finish.baseline_widths=[]",
    )
    for command in ("finish", "export"):
        code, _, err = finished.nas(command, *given)
        assert code == 0, err
    own = finished.folder / "runs" / "own"
    assert (own / "deploy" / "winner.onnx").is_file()
    assert not (own / "scale").exists()
    card = (own / "deploy" / "MODEL_CARD.md").read_text()
    assert "given by the user" in card and "## Search" not in card
    code, out, _ = finished.nas("export", *given)
    assert code == 0
    assert "deploy: already done, skipped" in out


def test_a_file_measured_beside_another_program_says_so(finished: Run) -> None:
    folder = finished.folder / "runs" / "disturbed"
    shutil.copytree(finished.run_dir, folder)
    shutil.rmtree(folder / "deploy")
    given = ("experiment=mini", f"run_dir={folder}", "export.measure_budget=3s")
    with busy_program():
        code, out, err = finished.nas("export", *given)
    assert code == 0, err
    causes = {artefact.latency_ms.disturbed for artefact in read_manifest(folder / "deploy")}
    [cause] = causes
    assert re.match(r"other programs kept \d+\.\d CPUs busy", cause)
    assert f"deploy: warning: the measurement was disturbed: {cause}; to repeat it" in out
    code, out, err = finished.nas("report", f"run_dir={folder}")
    assert code == 0, err
    assert f"* disturbed: {cause}." in " ".join(out.split())
    assert f"measured while {cause}" in (folder / "report.html").read_text()
    _, windows = read_samples(folder / "deploy" / "measured" / "samples.jsonl")
    starts = [window.start_s for window in windows]
    assert max(starts) - min(starts) > 1, "the rounds are spread over half of the budget"


def test_an_int8_device_ships_an_int8_file(finished: Run) -> None:
    folder = finished.folder / "runs" / "int8"
    shutil.copytree(finished.run_dir, folder)
    shutil.rmtree(folder / "deploy")
    given = ("experiment=mini", f"run_dir={folder}", "device=this_machine_int8")
    code, out, err = finished.nas("export", *given)
    assert code == 0, err
    assert "deploy: winner.int8.onnx, " in out
    artefacts = read_manifest(folder / "deploy", check_files=True)
    assert {artefact.format for artefact in artefacts} == {"onnx_int8"}
    assert {artefact.device["precision"] for artefact in artefacts} == {"int8"}
    assert all(artefact.test_total and artefact.latency_ms for artefact in artefacts)
    assert not list((folder / "deploy").glob("winner.onnx"))
    rows = read_table(folder)
    assert all(row.exported and row.latency_ms for row in rows)


def test_an_int8_file_keeps_its_accuracy_with_layers_in_float(finished: Run) -> None:
    folder = finished.folder / "runs" / "mixed"
    shutil.copytree(finished.run_dir, folder)
    shutil.rmtree(folder / "deploy")
    given = ("experiment=mini", f"run_dir={folder}", "export.formats=onnx_int8", "export.int8_loss=0")
    code, out, err = finished.nas("export", *given, "export.calibration=percentile")
    assert code == 0, err
    props = onnx.load(str(folder / "deploy" / "winner.int8.onnx")).metadata_props
    [about] = [json.loads(item.value) for item in props if item.key == "int8"]
    assert about["calibration"] == "percentile" and about["loss"] <= 0
    [winner] = [item for item in read_manifest(folder / "deploy") if item.name == "winner"]
    assert bool(winner.note) == bool(about["in_float"])
    assert winner.note in out


def test_a_device_that_is_not_here_gets_files_in_its_precision(finished: Run) -> None:
    folder = finished.folder / "runs" / "half"
    shutil.copytree(finished.run_dir, folder)
    shutil.rmtree(folder / "deploy")
    given = ("experiment=mini", f"run_dir={folder}", "device=h200")
    code, out, err = finished.nas("export", *given)
    assert code == 0, err
    assert "deploy: warning: the files were exported but not measured: " in out
    assert re.search(r"deploy: winner\.fp16\.onnx, .* latency not measured", out)
    artefacts = read_manifest(folder / "deploy", check_files=True)
    assert {artefact.format for artefact in artefacts} == {"onnx_fp16"}
    assert all(artefact.test_total and artefact.latency_ms is None for artefact in artefacts)
    assert "No file was measured." in (folder / "deploy" / "MODEL_CARD.md").read_text()
    assert "## `winner.fp16.onnx`" in (folder / "deploy" / "README.md").read_text()
    code, _, err = finished.nas("export", *given, "export.enforce=true")
    assert code == 2
    assert "CUDAExecutionProvider" in err or "h200" in err


def test_formats_of_a_list_and_of_folders(finished: Run) -> None:
    folder = finished.folder / "runs" / "listed"
    shutil.copytree(finished.run_dir, folder)
    shutil.rmtree(folder / "deploy")
    given = ("experiment=mini", f"run_dir={folder}", "export.formats=[pytorch,onnx]")
    code, out, err = finished.nas("export", *given)
    assert code == 0, err
    assert re.search(r"deploy: winner\.pytorch, .* latency not measured", out)
    measured = {each.format: each.latency_ms for each in read_manifest(folder / "deploy", check_files=True)}
    assert measured["pytorch"] is None and measured["onnx"] is not None
    code, out, _ = finished.nas("export", *given)
    assert "deploy: already done, skipped" in out
    (folder / "deploy" / "winner.pytorch" / "network.py").write_text("")
    code, out, err = finished.nas("export", *given)
    assert code == 0, err
    assert "winner.pytorch/network.py is missing or was changed" in out
    code, _, err = finished.nas("report", f"run_dir={folder}")
    assert code == 0, err
    assert "not measured" in (folder / "report.html").read_text()


FINISH_FOR_LONGER = ("experiment=mini", "finish.epochs=60")  # so long that a worker can start meanwhile


@pytest.fixture(scope="module")
def in_parallel(finished: Run) -> tuple[Path, str]:
    """A run whose two networks two workers have trained, and what they printed."""
    folder = finished.folder / "runs" / "in_parallel"
    shutil.copytree(finished.run_dir, folder)
    step = importlib.import_module("nas.cli.steps.final.finish")
    train = step._train_once

    def train_once(context: Any, entry: Any, partial: Path) -> Any:
        """Leaves one of the two networks to the other worker, however long that takes to start."""
        wait_for(lambda: len(list((partial / "claims").iterdir())) == 2)
        return train(context, entry, partial)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "_train_once", train_once)
        code, out, err = finished.nas("finish", *FINISH_FOR_LONGER, f"run_dir={folder}", "finish.workers=2")
    assert code == 0, err
    return folder, out


def test_networks_are_trained_at_the_same_time(finished: Run, in_parallel: tuple[Path, str]) -> None:
    folder, out = in_parallel
    assert "workers failed" not in out
    assert " in parallel: " in out, "the other worker has trained one of the two"
    code, out, err = finished.nas("finish", *FINISH_FOR_LONGER, f"run_dir={folder}", "finish.workers=1")
    assert code == 0, err
    assert "final: already done" in out, "how many at a time does not change what is trained"


def helpers_of(parent: int) -> list[int]:
    """The processes that a process has spawned to help it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (folder / "status").read_text(), (folder / "cmdline").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if f"PPid:\t{parent}\n" in status and "spawn_main" in command:
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="finds the worker in Linux's /proc")
def test_what_a_killed_worker_leaves_is_trained_by_the_first(
    finished: Run, in_parallel: tuple[Path, str]
) -> None:
    folder = finished.folder / "runs" / "killed"
    shutil.copytree(finished.run_dir, folder)
    settings = [*FINISH_FOR_LONGER, f"run_dir={folder}", "finish.workers=2"]
    command = [sys.executable, "-m", "nas.cli", "finish", *settings]
    with subprocess.Popen(command, cwd=finished.folder, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and len(list(folder.glob(".final.partial/claims/*"))) < 2:
            time.sleep(0.02)
        (helper,) = helpers_of(process.pid)
        os.kill(helper, signal.SIGKILL)
        out, _ = process.communicate()
    assert process.returncode == 0
    assert "1 of 2 workers failed; the others have done their part" in out
    assert "at the same time" not in out
    results = json.loads((folder / "final" / "results.json").read_text())
    assert [each["role"] for each in results["networks"]] == ["winner", "baseline"]
    assert not (folder / "final" / "claims").exists()
    weights, of_two = (
        {path.name: sha256(path) for path in run.glob("final/*.safetensors")}
        for run in (folder, in_parallel[0])
    )
    assert weights == of_two and len(weights) == 2, "who trains a network does not change it"


def test_a_command_whose_inputs_are_missing_says_so(tmp_path: Path) -> None:
    write_project(tmp_path)
    code, _, err = Run(tmp_path, "").nas("scale", "experiment=mini")
    assert code == 2
    assert err.startswith("error: ")
    assert "winner" in err or "search" in err


def kill_in(folder: Path, step: str, sent: signal.Signals) -> None:
    """Starts ``nas run`` and kills it while it is at a step."""
    command = [sys.executable, "-m", "nas.cli", "run", "experiment=mini"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        partial = folder / "runs" / "mini" / f".{step}.partial"
        wait_for(lambda: partial.exists() or process.poll() is not None)
        time.sleep(0.2)  # into the work
        process.send_signal(sent)
        process.wait(60)


def wait_for(condition: Callable[[], bool], *, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@pytest.mark.long
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_killed_at_every_step_it_ends_with_the_same_files(
    finished: Run, tmp_path: Path, sent: signal.Signals
) -> None:
    write_project(tmp_path)
    run = Run(tmp_path, "")
    for step in STEPS:
        kill_in(tmp_path, step, sent)
    assert run.nas("run", "experiment=mini")[0] == 0
    assert set(stable(run)) == set(stable(finished))
    same = (*(f"supernet/{name}" for name in ("weights.safetensors", "supernet.json")),)
    for name in same:
        assert run.results()[name] == finished.results()[name]


def stable(run: Run) -> Iterator[str]:
    """The names of files that do not depend on what was measured or chosen."""
    for path in run.run_dir.rglob("*"):
        name = str(path.relative_to(run.run_dir))
        if "kit" not in name and ".previous" not in name:
            yield name
