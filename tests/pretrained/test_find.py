"""What ``train.init`` may name, and files that are no weights."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.errors import UserError
from nas.pretrained import find_start, locate, pretrained_names, read_tensors


class Dangerous:
    """Its pickle makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_names() -> None:
    assert pretrained_names()["efficientnet_lite0"] == "efficientnet_lite"


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown pretrained network 'efficientnet_lite9'; did you mean eff"):
        locate("efficientnet_lite9")


@pytest.mark.parametrize("name", ["mine.pth", "folder/mine", "mine.safetensors"])
def test_a_file_that_does_not_exist(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} does not exist; name a file of weights, a run folder, or"):
        locate(name)


def test_a_folder_without_a_supernet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no trained supernet"):
        locate(str(tmp_path))


def test_code_in_a_pickle_does_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    torch.save({"weight": torch.zeros(1), "trap": Dangerous(made)}, tmp_path / "new.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"trap": Dangerous(made)}, protocol=2))
    for name in ("new.pth", "old.pth"):
        with pytest.raises(UserError, match=f"{name} holds more than tensors, and loading it might run code"):
            find_start(str(tmp_path / name))
    assert not made.exists()


def test_truncated_files(tmp_path: Path) -> None:
    tensors = {f"layer{number}.weight": torch.randn(64, 64) for number in range(3)}
    torch.save(tensors, tmp_path / "whole.pth")
    save_file(tensors, tmp_path / "whole.safetensors")
    for name in ("whole.pth", "whole.safetensors"):
        content = (tmp_path / name).read_bytes()
        for size in (0, 5, len(content) // 2, len(content) - 5):
            (tmp_path / f"cut_{name}").write_bytes(content[:size])
            with pytest.raises(UserError, match=rf"cut_{name} .*it may be cut off"):
                read_tensors(tmp_path / f"cut_{name}")


def test_files_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_text("no weights at all")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("a.txt", "b")
    for name in ("notes.pth", "zip.pth"):
        with pytest.raises(UserError, match=f"{name} is no whole file of tensors"):
            read_tensors(tmp_path / name)
    torch.save(torch.zeros(3), tmp_path / "one.pth")
    torch.save({}, tmp_path / "none.pth")
    for name in ("one.pth", "none.pth"):
        with pytest.raises(
            UserError, match=f"{name} holds no tensors by name; save the network's state_dict"
        ):
            read_tensors(tmp_path / name)
    torch.save({"epoch": 3, "a": torch.zeros(1)}, tmp_path / "mixed.pth")
    with pytest.raises(UserError, match=r"mixed\.pth holds more than tensors, e.g. 'epoch'"):
        read_tensors(tmp_path / "mixed.pth")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not exist; name a file of weights"):
        read_tensors(tmp_path)


def test_tensors_of_a_training_script_are_found(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"epoch": 3, "state_dict": {"module.weight": torch.ones(2)}}, buffer)
    (tmp_path / "mine.pth.tar").write_bytes(buffer.getvalue())
    assert read_tensors(tmp_path / "mine.pth.tar").tensors["weight"].tolist() == [1, 1]


def test_tensors_that_no_source_knows(tmp_path: Path) -> None:
    save_file({"strange.weight": torch.zeros(2)}, tmp_path / "mine.safetensors")
    with pytest.raises(
        UserError, match=r"holds 1 tensors \(strange.weight, …\); no source knows these names"
    ):
        find_start(str(tmp_path / "mine.safetensors"))
