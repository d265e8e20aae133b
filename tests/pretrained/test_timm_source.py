"""Files with timm's names: what timm computed from the same weights is recorded in ``timm.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nas.errors import UserError
from nas.pretrained import Start, find_start
from nas.pretrained.network_start import NetworkStart
from tests.pretrained.conftest import distance
from tests.pretrained.timm_record import NETWORKS, RECORD, images, tensor

RECORDED: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
SMALL = "mobilenetv3_small_100"


def weights(name: str) -> dict[str, Tensor]:
    return {key: tensor(key, tuple(shape)) for key, shape in RECORDED[name]["shapes"].items()}


def write(folder: Path, tensors: dict[str, Tensor], config: object) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")
    return folder / "model.safetensors"


def read(path: Path) -> NetworkStart:
    start: Start = find_start(str(path))
    assert isinstance(start, NetworkStart)
    return start


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_equal_those_of_timm(name: str, tmp_path: Path) -> None:
    record = RECORDED[name]
    start = read(write(tmp_path, weights(name), record["config"]))
    with torch.no_grad():
        outputs = start.pretrained.model(images())
    expected = torch.tensor(record["outputs"])
    assert distance(expected[:1], expected[1:]) > 0.05, "the outputs must differ between images"
    assert distance(outputs, expected) < 1e-5


def test_what_is_recorded(tmp_path: Path) -> None:
    name = "tf_efficientnet_lite0"
    start = read(write(tmp_path, weights(name), RECORDED[name]["config"]))
    assert (start.origin.name, start.origin.licence) == ("efficientnet_lite0", "Apache-2.0")
    assert start.origin.source == "timm, tf_efficientnet_lite0.in1k"
    assert start.pretrained.network.norm_epsilon == 1e-3
    prepared = start.preprocessing
    assert (prepared.mean, prepared.std) == ((0.5,) * 3, (0.5,) * 3)
    assert (prepared.resolution, prepared.crop, prepared.interpolation) == (224, 0.875, "bicubic")


def test_a_file_without_its_configuration(tmp_path: Path) -> None:
    path = write(tmp_path, weights(SMALL), {})
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match=r"has timm's names, but config\.json is not beside it; put it there"):
        find_start(str(path))


@pytest.mark.parametrize("config", [{}, {"architecture": "x"}, {"architecture": "x", "pretrained_cfg": {}}])
def test_a_configuration_of_something_else(config: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json cannot be read \(KeyError.*get it again, from where"):
        find_start(str(write(tmp_path, weights(SMALL), config)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks.1.0.bn2.weight": None}, r"it lacks 1 of 210 tensors, first blocks\.1\.0\.bn2\.weight"),
        ({"extra.bias": torch.zeros(3)}, r"1 of its 211 tensors are not part of it, first extra\.bias"),
        (
            {"conv_stem.weight": torch.zeros(8, 3, 3, 3)},
            r"conv_stem\.weight is 8×3×3×3 in the file and 16×3×3×3 in the network; name a file of",
        ),
    ],
)
def test_tensors_that_are_not_those_of_the_network(
    tmp_path: Path, changes: dict[str, Tensor | None], message: str
) -> None:
    changed = {name: value for name, value in {**weights(SMALL), **changes}.items() if value is not None}
    with pytest.raises(UserError, match=f"safetensors does not hold mobilenet_v3_small: {message}"):
        find_start(str(write(tmp_path, changed, RECORDED[SMALL]["config"])))
