"""``calibrated_accuracy``: a search by accuracies that networks trained alone calibrate."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from nas.files import read_csv, read_json
from nas.report.sections.search_words import details
from nas.training.trust import Calibration, features
from tests.conftest import Outcome

Nas = Callable[..., Outcome]
TINY = (
    "space=tiny_24",
    "data.max_train_images=100",
    "train.epochs=1",
    "train.batch_size=32",
    "train.calibration_images=32",
    "trust.top=1",
    "trust.resamples=20",
    "table.name=roofline",
    "+device.peak_flops.fp32=1.0e+11",
    "device.bandwidth_bytes_per_s=1.0e+10",
    "search.trials=12",
    "run_dir=run",
)
CALIBRATED = "search.objectives=[calibrated_accuracy,macs]"


def test_a_search_by_calibrated_accuracies(nas: Nas, own_folder: Path) -> None:
    early = nas("run", *TINY, CALIBRATED)
    assert early.code == 2
    assert "calibrated_accuracy needs networks trained alone" in early.err
    assert "nas trust" in early.err
    assert not (own_folder / "run" / "supernet").exists(), "nothing is trained in vain"

    for command in ("train", "table"):
        assert nas(command, *TINY).code == 0
    assert nas("trust", *TINY, "trust.networks=1").code == 0
    few = nas("search", *TINY, CALIBRATED)
    assert few.code == 2
    assert "3 networks, and calibrated_accuracy needs at least 8" in few.err
    assert nas("trust", *TINY, "trust.networks=6").code == 0
    done = nas("search", *TINY, CALIBRATED)
    assert done.code == 0, done.err
    assert "calibrated by 8 networks trained alone; τ of the calibration by all others" in done.out
    assert "% expected after training alone, macs" in done.out

    search = own_folder / "run" / "search"
    calibrated = {row["code"]: float(row["calibrated_accuracy"]) for row in read_csv(search / "trials.csv")}
    winner = read_json(search / "winner.json")
    assert winner["held_out"]["objective"] == "accuracy"
    page = unescape(" ".join("\n".join(details(search)).split()))
    assert "unseen images, with the supernet's weights" in page
    finals = nas("search", *TINY, CALIBRATED, "search.finalists=2", "search.finalist_epochs=1")
    assert finals.code == 0, finals.err
    assert read_json(search / "finalists.json")["objective"] == "accuracy", "trained ones are not calibrated"
    assert "expected after training alone" in "\n".join(details(search))
    bounded = nas("search", *TINY, "search.objectives=[macs]", "search.bounds={calibrated_accuracy: 0.01}")
    assert bounded.code == 0, bounded.err
    assert [each["name"] for each in read_json(search / "winner.json")["limits"]] == ["calibrated_accuracy"]

    plain = nas("search", *TINY, "search.objectives=[accuracy,macs,params]")
    assert plain.code == 0, plain.err
    rows = [row for row in read_csv(search / "trials.csv") if row["code"] in calibrated]
    assert len(rows) >= 4, "initial networks are the same"
    columns = [np.array([float(row[name]) for row in rows]) for name in ("accuracy", "macs", "params")]
    expected = fitted(own_folder / "run" / "trust" / "networks.csv").predict(features(*columns)).mean
    assert [calibrated[row["code"]] for row in rows] == pytest.approx(expected.tolist())

    assert nas("search", *TINY, CALIBRATED).code == 0
    again = nas("search", *TINY, CALIBRATED)
    assert "already done" in again.out
    assert nas("trust", *TINY, "trust.networks=7").code == 0
    changed = nas("search", *TINY, CALIBRATED)
    assert "the networks trained alone (nas trust) changed" in changed.out
    assert nas("report", *TINY).code == 0
    page = " ".join((own_folder / "run" / "report.html").read_text(encoding="utf-8").split())
    assert "accuracies that networks trained alone let expect after training" in page
    assert "accuracy calibrated by networks trained alone (%)" in page


def fitted(path: Path) -> Calibration:
    rows = read_csv(path)
    images = np.array([int(row["images"]) for row in rows])
    inherited, alone, macs, params = (
        np.array([int(row[name]) for row in rows])
        for name in ("inherited_correct", "alone_correct", "macs", "params")
    )
    return Calibration(inputs=features(inherited / images, macs, params), alone=alone / images)


def test_networks_of_another_supernet_or_on_test_images_calibrate_nothing(nas: Nas, own_folder: Path) -> None:
    for command in ("train", "table"):
        assert nas(command, *TINY).code == 0
    assert nas("trust", *TINY, "trust.networks=6", "trust.images=test").code == 0
    on_test = nas("search", *TINY, CALIBRATED)
    assert on_test.code == 2
    assert on_test.err.startswith(
        "error: the networks of run/trust/networks.csv were compared on test images"
    )
    assert nas("trust", *TINY, "trust.networks=6").code == 0
    assert nas("train", *TINY, "train.epochs=2").code == 0
    other = nas("search", *TINY, "train.epochs=2", CALIBRATED)
    assert other.code == 2
    assert "were compared with another supernet" in other.err
    assert "nas trust" in other.err

    (own_folder / "run" / "trust" / "step.json").write_text("{")
    damaged = nas("search", *TINY, "train.epochs=2", CALIBRATED)
    assert damaged.code == 2
    assert "run/trust/step.json is missing or damaged; compare them again: nas trust" in damaged.err
