"""``train.init`` as a user types it: an earlier run's supernet, and what cannot be inherited."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome

Nas = Callable[..., Outcome]

SMALL = ("space=tiny_24", "train.batch_size=64", "train.calibration_images=32", "checkpoint.every=null")
SMALL += ("checkpoint.best_every_epochs=0", "data.max_train_images=128")


@pytest.fixture
def earlier(own_folder: Path, nas: Nas) -> Path:
    assert nas("train", *SMALL, "train.epochs=1", "run_dir=first").code == 0
    return own_folder / "first"


def test_an_earlier_supernet_is_the_start(earlier: Path, nas: Nas) -> None:
    command = ("train", *SMALL, "train.init=first", "train.epochs=2", "train.freeze_epochs=1", "seed=1")
    command += ("train.inherited_rate=0.5", "run_dir=second")
    done = nas(*command)
    assert done.code == 0, done.err
    assert "100% of the weights are from" in done.out
    first, second = (
        json.loads(Path(name, "supernet", "supernet.json").read_text()) for name in ("first", "second")
    )
    assert second["mean"] == first["mean"]
    assert "already done" in nas(*command).out
    with (earlier / "supernet" / "weights.safetensors").open("ab") as stream:
        stream.write(b" ")
    assert "already done" not in nas(*command).out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("train.freeze_epochs=1",), "train.freeze_epochs is 1, but nothing is inherited; set train.init"),
        (("train.init=first", "run_dir=first"), "train.init is the supernet of this run"),
        (
            ("train.init=first", "train.freeze_epochs=1"),
            "train.freeze_epochs is 1; give 0 for none, or fewer",
        ),
        (
            ("train.init=first", "train.inherited_rate=0"),
            "train.inherited_rate is 0.0; give a factor above 0",
        ),
        (("train.init=first", "space=tiny_32"), "was trained for the space 'tiny_24', not tiny_32"),
        (("train.init=missing.pth",), "train.init: missing.pth does not exist"),
    ],
)
def test_what_cannot_be_the_start(earlier: Path, nas: Nas, settings: tuple[str, ...], message: str) -> None:
    done = nas("train", *SMALL, "train.epochs=1", "run_dir=other", *settings)
    assert done.code == 2
    assert message in done.err
    assert not Path("other", "supernet").exists()
