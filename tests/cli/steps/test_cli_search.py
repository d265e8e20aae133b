"""``nas search``: objectives, devices, budgets, workers, storages, and what it says of bad ones."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from nas.cli.__main__ import main
from nas.report.sections.search_words import details
from tests.cli.steps.test_cli_pipeline import SPACE

SECRET = "not-to-be-shown"

EXPERIMENT = """
# @package _global_
defaults:
  - override /data: digits
  - override /device: laptop_cpu
space: mini
data: {max_train_images: 300}
train: {epochs: 1, batch_size: 32, calibration_images: 32}
table: {name: roofline}
search: {trials: 12, population: 4}
"""


def nas(folder: Path, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(str(end.code))
    return code, out.getvalue(), err.getvalue()


def train_project(folder: Path) -> Path:
    """Makes a project with a trained supernet and a table."""
    for name, text in (("search_spaces/mini.yaml", SPACE), ("conf/experiment/mini.yaml", EXPERIMENT)):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text.lstrip())
    for command in ("train", "table"):
        code, _, err = nas(folder, command, "experiment=mini")
        assert code == 0, err
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(autouse=True)
def _fresh(project: Path) -> None:
    """Each test searches anew; the cache of evaluations stays."""
    for folder in (project / "runs" / "mini").glob("*search*"):
        shutil.rmtree(folder, ignore_errors=True)


def search(project: Path, *settings: str) -> tuple[str, dict[str, Any]]:
    code, out, err = nas(project, "search", "experiment=mini", *settings)
    assert code == 0, err
    return out, read(project, "winner.json")


def read(project: Path, name: str) -> Any:
    return json.loads((project / "runs" / "mini" / "search" / name).read_text())


def trials(project: Path) -> list[dict[str, str]]:
    with (project / "runs" / "mini" / "search" / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_three_objectives_and_a_bound_on_a_fourth(project: Path) -> None:
    out, winner = search(project, "search.objectives=[accuracy,memory,params]", "search.bounds={macs: 50000}")
    assert list(winner["values"]) == ["accuracy", "memory_bytes", "params", "macs"]
    assert [each["name"] for each in winner["limits"]] == ["macs"]
    assert "(bound 5e+04)" in out
    found = trials(project)
    assert {row["state"] for row in found} == {"complete", "rejected"}
    assert all((float(row["macs"]) > 50000) == (row["state"] == "rejected") for row in found)


def test_accuracy_in_int8_is_an_objective_or_a_bound(project: Path) -> None:
    out, winner = search(
        project, "search.objectives=[int8_accuracy,macs]", "search.trials=4", "search.holdout_fraction=0.4"
    )
    assert list(winner["values"]) == ["int8_accuracy", "macs"]
    assert "on search-validation in INT8" in out
    low, high = winner["intervals"]["int8_accuracy"]
    assert low <= winner["values"]["int8_accuracy"] <= high
    assert winner["held_out"]["objective"] == "int8_accuracy"
    assert "on 115 unseen images, the winner's accuracy in INT8 is" in out
    page = "\n".join(details(project / "runs" / "mini" / "search"))
    assert re.search(r"[\d.]+ % in INT8 on the images that chose it", page)
    assert re.search(r"\([\d.]+ to [\d.]+\) in INT8 on 115 unseen images", page)
    first = {row["code"]: row["int8_accuracy"] for row in trials(project)}
    _, bounded = search(
        project,
        "search.objectives=[accuracy,macs]",
        "search.bounds={int8_accuracy: 0.01}",
        "search.trials=4",
        "search.holdout_fraction=0.4",
    )
    assert [each["name"] for each in bounded["limits"]] == ["int8_accuracy"]
    found = trials(project)
    assert all(abs(float(row["accuracy"]) - float(row["int8_accuracy"])) < 0.2 for row in found)
    both = [row for row in found if row["code"] in first]
    assert both, "the initial networks are the same"
    assert all(row["int8_accuracy"] == first[row["code"]] for row in both)
    lines = (project / "runs" / "mini" / "evaluations.jsonl").read_text().splitlines()
    assert len(set(lines)) == len(lines), "what is in the cache is not done again"
    unseen = [entry for entry in map(json.loads, lines) if entry["images"] == 115]
    assert len({entry["key"] for entry in unseen}) == 2, (
        "the winners were measured again in INT8 and in float"
    )


def test_balanced_accuracy_is_an_objective(project: Path) -> None:
    out, winner = search(
        project,
        "search.objectives=[balanced_accuracy,macs]",
        "search.holdout_fraction=0.4",
        "search.trials=4",
    )
    assert list(winner["values"]) == ["balanced_accuracy", "macs"]
    assert winner["held_out"]["objective"] == "balanced_accuracy"
    assert winner["posterior"]["images"] <= 173
    text = " ".join(out.split())
    assert "on search-validation balanced over the classes" in text
    assert "unseen images, the winner's accuracy balanced over the classes is" in text
    assert re.search(r"chosen by as many images as \d+ of equally frequent classes, which cannot", text)
    page = "\n".join(details(project / "runs" / "mini" / "search"))
    assert re.search(r"[\d.]+ % balanced over the classes on the images that chose it", page)
    assert re.search(r"chosen by as many images as \d+ of equally frequent classes", page)


def test_two_devices_at_once_one_of_them_by_its_peaks(project: Path) -> None:
    out, winner = search(
        project, "search.devices=[laptop_cpu,raspberry_pi_4]", "search.budgets_ms=[0.0005,0.01,1]"
    )
    names = ["accuracy", "latency_ms_laptop_cpu", "latency_ms_raspberry_pi_4"]
    assert list(winner["values"]) == names
    assert winner["estimated"] == {"accuracy": False, names[1]: True, names[2]: True}
    tight, middle, wide = read(project, "winners.json")
    assert not tight["found"]
    assert max(middle["values"][name] for name in names[1:]) <= 0.01
    assert wide["values"] == winner["values"]
    assert "latency_ms_raspberry_pi_4" in out


def test_a_device_is_searched_with_the_table_that_is_named_for_it(project: Path) -> None:
    table = json.loads((project / "runs/mini/table/mini-laptop_cpu-estimated.json").read_text())
    (project / "latency_tables").mkdir(exist_ok=True)
    path = project / "latency_tables" / "mini-raspberry_pi_5.json"
    path.write_text(json.dumps(table))
    _, named = search(project, "search.devices=[a100]", "search.tables={a100: mini-raspberry_pi_5}")
    (project / "runs/mini/search/step.json").unlink()
    _, standard = search(project, "search.devices=[raspberry_pi_5]")
    _, own = search(project)
    path.unlink()
    assert named["values"] == standard["values"] == own["values"]


def test_the_winner_is_measured_again_on_images_that_the_search_has_not_seen(project: Path) -> None:
    out, winner = search(project, "search.holdout_fraction=0.4")
    kept = winner["held_out"]
    assert kept["images"] == 115  # 0.4 of 288
    assert kept["interval"][0] <= kept["accuracy"] <= kept["interval"][1]
    assert "on 115 unseen images" in out
    assert {row["images"] for row in trials(project)} == {"173"}
    assert winner["intervals"]["accuracy"][0] <= winner["values"]["accuracy"]
    _, without = search(project, "search.holdout_fraction=0")
    assert without["held_out"] is None


def test_of_two_networks_one_image_apart_the_faster_wins(project: Path) -> None:
    """The counts of a first search are rewritten: two networks stand out, the slower by one image."""
    shutil.copytree(
        project / "runs" / "mini", project / "runs" / "near", ignore=lambda *_: ["evaluations.jsonl"]
    )
    settings = ["run_dir=runs/near", "search.sampler=random", "search.budgets_ms=[1]"]
    code, _, err = nas(project, "search", "experiment=mini", *settings)
    assert code == 0, err
    folder, cache = project / "runs" / "near" / "search", project / "runs" / "near" / "evaluations.jsonl"
    with (folder / "trials.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    by_latency = sorted(range(len(rows)), key=lambda number: float(rows[number]["latency_ms"]))
    faster, slower = by_latency[4], by_latency[-2]
    entries = [json.loads(line) for line in cache.read_text().splitlines()]
    seen = [entry for entry in entries if entry["images"] == int(rows[0]["images"])]
    for number, entry in enumerate(seen):
        entry["correct"] = {faster: 120, slower: 121}.get(number, 60)
    cache.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    shutil.rmtree(folder)
    code, out, err = nas(project, "search", "experiment=mini", *settings)
    assert code == 0, err
    winner, [within] = (json.loads((folder / name).read_text()) for name in ("winner.json", "winners.json"))
    assert winner["code"] == within["code"] == rows[faster]["code"]
    total = seen[0]["images"]
    assert winner["equals"] == 2
    best, noise, posterior = winner["best"], winner["noise"], winner["posterior"]
    lucky = 121 / total
    assert posterior["lower"] <= best == pytest.approx(lucky - 1.645 * noise, abs=noise)
    assert posterior["lower"] == pytest.approx(posterior["accuracy"] - 1.645 * noise, abs=0.3 * noise)
    assert noise == pytest.approx(math.sqrt(lucky * (1 - lucky) / total), rel=0.15), "so few say little more"
    assert (posterior["images"], posterior["evaluations"]) == (total, len(rows))
    said = f"search: all {len(rows)} evaluations put the winner's accuracy at {posterior['accuracy']:.1%} ("
    assert said in out
    least = 100 * posterior["least_difference"]
    assert f"chosen by {total} images, which cannot resolve differences below {least:.1f} points" in out
    sentence = "search: 2 networks have a lower bound of their accuracy within one standard deviation"
    assert f"{sentence} ({noise:.1%}) of the best one, {best:.1%}; of these, the winner is the fastest" in out
    page = "\n".join(details(folder))
    assert (
        f"within one standard deviation ({100 * noise:.1f} points) of the best one, {100 * best:.1f} %"
        in page
    )
    assert f"cannot resolve differences below {least:.1f} points" in page


def test_another_search_on_the_same_weights_evaluates_nothing_again(project: Path) -> None:
    cache = project / "runs" / "mini" / "evaluations.jsonl"
    search(project)
    before = cache.read_text()
    search(project, "search.objectives=[accuracy,macs]", "search.sampler=random")
    asked = before.splitlines() + cache.read_text()[len(before) :].splitlines()
    assert len(set(asked)) == len(asked)
    search(project, "search.objectives=[accuracy,params]", "search.trials=11", "search.sampler=random")
    assert len(cache.read_text().splitlines()) - len(asked) < 11


def test_two_workers_search_together(project: Path) -> None:
    out, _ = search(project, "search.workers=2")
    assert "workers failed" not in out
    assert len([row for row in trials(project) if row["state"] != "rejected"]) == 12
    _, alone = search(project)
    assert "already done" in _, "how many workers there are does not change what is searched"
    assert alone["space"] == "mini"


def test_two_commands_join_through_a_storage(project: Path, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    search(project, f"search.storage={storage}")
    first = trials(project)
    shutil.rmtree(project / "runs" / "mini" / "search")
    search(project, f"search.storage={storage}")
    assert trials(project) == first, "the second one finds the study of the first"


def test_a_search_with_halving_takes_nothing_over_from_one_without(project: Path, tmp_path: Path) -> None:
    storage = f"search.storage=sqlite:///{tmp_path / 'studies.db'}"
    search(project, storage, "search.study=mine", "search.holdout_fraction=0.5")
    shutil.rmtree(project / "runs" / "mini" / "search")
    settings = ["search.study=mine", "search.holdout_fraction=0.5", "search.halving=[0.5]"]
    code, _, err = nas(project, "search", "experiment=mini", storage, *settings)
    assert code == 2
    assert "belongs to a search with halving '[]', not '[0.5]'" in err


def test_what_is_read_of_the_device_and_of_missing_blocks_decides_a_search(project: Path) -> None:
    base = ["search.trials=4", "search.respect_device=true", "search.objectives=[accuracy,latency,size]"]
    search(project, *base)
    assert "already done" in search(project, *base)[0]
    for setting, name in (
        ("device.max_width=64", "device.max_width: 560 -> 64"),
        ("table.missing=error", 'missing: "measure" -> "error"'),
    ):
        base.append(setting)
        assert f"search: done again, because {name}\n" in search(project, *base)[0]
    devices = [*base, "search.devices=[a100]"]
    search(project, *devices)
    out, _ = search(project, *devices, "device.precision=fp16")
    assert 'search: done again, because device.precision: "fp32" -> "fp16"\n' in out


def test_evaluations_are_stopped_where_they_are_clearly_worse(project: Path) -> None:
    search(project, "search.halving=[0.5]", "search.holdout_fraction=0")
    assert {row["images"] for row in trials(project) if row["state"] == "complete"} == {"288"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["search.objectives=[accuracy,speed]"], "unknown objective 'speed'"),
        (["search.objectives=[]"], "name at least one"),
        (["search.bounds={mac: 1}"], "unknown bound 'mac'; did you mean macs"),
        (["search.budgets_ms=[-1]"], "give positive numbers"),
        (["search.objectives=[accuracy,macs]", "search.budgets_ms=[1]"], "the search has none"),
        (["search.devices=[a100,a100]"], "names a device twice"),
        (["search.devices=[pixel_66]"], "unknown device 'pixel_66'; did you mean pixel_6"),
        (["search.tables={a100: roofline}"], "add to search.devices"),
        (
            ["search.devices=[a100]", "search.tables={a100: v100-batch64}"],
            "was fitted on whole networks of the space 'ofa_mobilenet_v3', and knows nothing of mini",
        ),
        (["search.devices=[this_machine]"], "its peaks are unknown"),
        (["search.workers=0"], "there must be at least one"),
        (["search.holdout_fraction=1"], "it is a share of images"),
        (["search.halving=[2]"], "give shares between 0 and 1"),
        (["search.options={sped: 1}"], "unknown option of sampler predictor 'sped'"),
        (["search.bounds={memory: 1}"], "meets memory_bytes 1; the smallest"),
        (["search.holdout_fraction=0.999"], "leaves the search none of 288 images"),
        ([f"search.storage=postgresql://me:{SECRET}@127.0.0.1:1/x"], "Connection refused"),
        (["search.storage=grpc://127.0.0.1:1"], "cannot be used"),
        (["search.storage=redis://127.0.0.1"], "unknown kind of storage 'redis'"),
    ],
)
def test_bad_settings_are_refused(project: Path, settings: list[str], message: str) -> None:
    code, out, err = nas(project, "search", "experiment=mini", *settings)
    assert code == 2
    assert message in err
    assert SECRET not in out + err


def test_passwords_of_storages_are_written_nowhere(project: Path) -> None:
    address = f"postgresql://me:{SECRET}@127.0.0.1:1/x"
    settings = ["experiment=mini", f"search.storage={address}", "train.epochs=1", "seed=3", "--multirun"]
    code, out, err = nas(project, "train", *settings, "run_dir=runs/secret")
    assert code == 0, err
    written = [path for path in (project / "runs" / "secret").rglob("*") if path.is_file()]
    assert {"multirun.yaml", "config.yaml", "provenance.json", "nas.log"} <= {path.name for path in written}
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    masked = [
        path.name for path in written if b"postgresql" in path.read_bytes() and b"***" in path.read_bytes()
    ]
    assert {"multirun.yaml", "config.yaml", "provenance.json", "nas.log"} <= set(masked)
    assert SECRET not in out + err
