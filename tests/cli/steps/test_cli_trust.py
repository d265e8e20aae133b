"""``nas trust`` on a few digits: what it writes and says, and that it resumes where it was interrupted."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.cli.steps.context import Context
from nas.cli.steps.supernet.trust import calibration, subjects, train_and_judge
from nas.files import read_json
from nas.pretrained.network_start import NetworkStart
from nas.tracking import Guard
from nas.tracking.none import NoTracker
from nas.training.trust import Compared, calibrating
from tests.cli.hydra.test_cli_schema import composed
from tests.conftest import Outcome

Nas = Callable[..., Outcome]
TINY = (
    "space=tiny_24",
    "data.max_train_images=100",
    "train.epochs=1",
    "train.batch_size=32",
    "train.calibration_images=32",
    "trust.networks=2",
    "trust.top=1",
    "trust.resamples=20",
    "run_dir=run",
)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "networks.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_from_the_supernet_to_the_page(nas: Nas, own_folder: Path) -> None:
    before = nas("trust", *TINY)
    assert before.code == 2
    assert "trust needs the supernet's weights" in before.err

    assert nas("train", *TINY).code == 0
    done = nas("trust", *TINY)
    assert done.code == 0, done.err
    found = rows(own_folder / "run" / "trust")
    assert [row["role"] for row in found] == ["smallest", "largest", "random", "random"]
    assert len({row["code"] for row in found}) == 4
    value = read_json(own_folder / "run" / "trust" / "trust.json")
    assert value["images"] == "validation"
    assert {row["images"] for row in found} == {str(value["image_count"])} == {"288"}
    assert value["training"]["epochs"] == 1
    assert value["differs_from_the_supernet"] == []
    assert value["agreement"]["all"]["networks"] == 4
    assert value["agreement"]["without_extremes"]["networks"] == 2
    for words in ("4 networks on 288 images", "Kendall τ", "precision at 1", "a network gains"):
        assert words in done.out

    assert "trust: already done, skipped" in nas("trust", *TINY).out
    assert nas("report", "run_dir=run").code == 0
    assert "Trust in the supernet" in (own_folder / "run" / "report.html").read_text(encoding="utf-8")


def test_it_goes_on_where_it_was_interrupted(
    nas: Nas, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nas("train", *TINY).code == 0
    calls: list[str] = []

    def interrupted(*arguments: object, name: str) -> object:
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train_and_judge(*arguments, name=name)  # type: ignore[arg-type]

    module = sys.modules[train_and_judge.__module__]  # the package gives the command of that name
    monkeypatch.setattr(module, "train_and_judge", interrupted)
    settings = (*TINY, "trust.epochs=2", "trust.images=test")
    assert nas("trust", *settings).code == 130
    [kept] = rows(own_folder / "run" / ".trust.partial")
    done = nas("trust", *settings)
    assert done.code == 0, done.err
    assert "trust: resumes where it was interrupted" in done.out
    assert "networks are trained with epochs=2, the supernet was trained with 1" in done.out
    assert [name.split()[0] for name in calls] == ["smallest", "largest", "largest", "random", "random"]
    found = rows(own_folder / "run" / "trust")
    assert found[0] == kept
    assert {row["images"] for row in found} == {"359"}


def test_networks_start_with_the_weights_of_the_supernets_start(
    lite0: NetworkStart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits are grey, of 10 classes: the first filters are summed, the classifier is new."""

    def training(*_: object, **settings: object) -> None:
        raise RuntimeError(settings)  # what a training would begin with; none is needed

    monkeypatch.setattr("nas.training.final.fit_network", training)
    begun = {}
    for init in ("null", "efficientnet_lite0"):
        config = composed("space=efficientnet_lite", "data=digits", f"train.init={init}")
        context = Context(config=config, run_dir=tmp_path, tracker=Guard(inner=NoTracker()))
        network = context.space.network(context.space.largest(), classes=10, input_channels=1)
        with pytest.raises(RuntimeError) as stopped:
            train_and_judge(context, network, name="alone")
        begun[init] = stopped.value.args[0]
    assert begun["null"]["source"] is None
    source = begun["efficientnet_lite0"]["source"]
    assert not begun["efficientnet_lite0"]["classifier"]
    name = "blocks.stem_0.block.conv.conv.weight"
    colour, grey = (model.state_dict()[name] for model in (lite0.pretrained.model, source))
    torch.testing.assert_close(grey.sum(), colour.sum())
    assert source.network == network


@pytest.mark.parametrize("knows", ["macs", "supernet"])
def test_where_the_calibration_ranks_better_it_says_how_to_search_by_it(knows: str) -> None:
    order = np.random.default_rng(0).permutation(16)
    compared = [
        Compared(
            role="random",
            code=str(n),
            resolution=16,
            macs=int(1e5 * 1.3 ** (order[n] if knows == "macs" else order[-1 - n])),
            params=1000,
            images=1000,
            inherited_correct=400 + 10 * int(order[n] if knows == "supernet" else order[-1 - n]),
            alone_correct=500 + 10 * int(order[n]),
            seconds=1.0,
        )
        for n in range(16)
    ]
    found = calibrating(compared, resamples=20, seed=0)
    hint, lines = "search.objectives=[calibrated_accuracy,latency]", calibration(found, images="validation")
    assert lines[0].startswith("supernet, MACs and parameters together: τ 1.00")
    assert any(hint in line for line in lines) == (knows == "macs")
    assert not any(hint in line for line in calibration(found, images="test"))


def test_bands_hold_the_random_networks_beside_the_extremes(tmp_path: Path) -> None:
    config = composed("space=tiny_24", "data=digits", "trust.networks=40", "trust.bands=2")
    found = subjects(Context(config=config, run_dir=tmp_path, tracker=Guard(inner=NoTracker())))
    assert [each.role for each in found] == ["smallest", "largest", *["random"] * 40]
    macs = [each.network.macs for each in found[2:]]
    for band in (macs[:20], macs[20:]):
        assert max(band) / min(band) <= 1.15 / 0.85
    assert max(macs[:20]) < min(macs[20:])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trust.bands=3", "trust.bands is 3; give null to spread the 2 networks"),
        ("trust.images=train", "unknown trust.images 'train'"),
        ("trust.networks=0", "trust.networks is 0"),
        ("trust.epochs=0", "trust.epochs is 0; give at least 1"),
        ("trust.top=3", "trust.top is 3; give 1 to 2"),
    ],
)
def test_bad_settings_are_found_before_anything_is_read(nas: Nas, setting: str, message: str) -> None:
    arguments = {argument.split("=")[0]: argument for argument in (*TINY, setting)}
    outcome = nas("trust", *arguments.values())
    assert outcome.code == 2
    assert message in outcome.err
