"""What a command says about a folder of pictures in which not everything is an image of a class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.cli.__main__ import main
from tests.conftest import Outcome

TRAIN = (
    "train",
    "data=image_folder",
    "data.root=pets",
    "space=tiny_32",
    "train.epochs=1",
    "train.batch_size=8",
    "train.calibration_images=8",
    "run_dir=run",
)


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, count in (("cat", 12), ("dog", 12), ("fox", 1)):
        for folder in (name, f"{name}/.ipynb_checkpoints"):
            (tmp_path / "pets" / "train" / folder).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / "train" / folder / f"{i}.jpg")
    return tmp_path / "pets"


def test_an_unknown_weighting_of_classes_is_one_line(nas: Callable[..., Outcome]) -> None:
    refused = nas("train", "data.class_weights=inverse", "run_dir=run")
    assert refused.code == 2
    assert refused.err.strip() == ("error: unknown data.class_weights 'inverse'; allowed: balanced, null")
    assert not Path("run/supernet").exists()


def test_what_is_left_out_is_said(pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = pets / "train" / "cat" / "3.jpg"
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(SystemExit) as end:
        main(TRAIN)
    assert end.value.code == 2
    assert "3.jpg cannot be read" in capsys.readouterr().err
    assert main([*TRAIN, "data.skip_damaged=true"]) == 0
    out = capsys.readouterr().out
    assert "3 classes, 3 channels; 14 training, 5 search-validation, 5 test images" in out
    for note in (
        "passed over 25 files in train/ (.ipynb_checkpoints/: 25)",
        "skipped damaged images: 1 (pets/train/cat/3.jpg)",
        "no search-validation images of fox (1 in all): ",
        "no test images of fox (1 in all): ",
    ):
        assert f"warning: image_folder: {note}" in out
