"""CIFAR: the official binary layout, and what is said when it is not there."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.errors import UserError
from nas.training.data import MemoryImages, Splits, cifar, load_data


def load(name: str, root: Path | None, *, channels: int | None = None, download: bool = False) -> Splits:
    return load_data(
        name,
        root=root,
        seed=0,
        validation_fraction=0.2,
        test_fraction=0.2,
        channels=channels,
        download=download,
    )


def write(root: Path, archive: cifar.Archive, *, classes: int, records: int = 200) -> None:
    """Files in the published layout: the pixel planes of record i are i, i + 1 and i + 2."""
    folder = root / archive.folder
    folder.mkdir(parents=True)
    (folder / archive.names).write_text("\n".join(f"class{i}" for i in range(classes)) + "\n\n")
    for name in (*archive.train, archive.test):
        index = np.arange(records, dtype=np.uint8)
        labels = np.stack([np.full(records, 99, np.uint8), index % classes], 1)[:, -archive.label_bytes :]
        planes = (index[:, None, None] + np.arange(3, dtype=np.uint8)[:, None]).repeat(1024, axis=2)
        np.concatenate([labels, planes.reshape(records, -1)], axis=1).tofile(folder / name)


@pytest.mark.parametrize(
    ("name", "archive", "classes", "files"),
    [("cifar10", cifar.CIFAR10, 10, 5), ("cifar100", cifar.CIFAR100, 100, 1)],
)
def test_the_binary_layout_is_read(
    tmp_path: Path, name: str, archive: cifar.Archive, classes: int, files: int
) -> None:
    write(tmp_path, archive, classes=classes)
    splits = load(name, tmp_path)
    assert len(splits.train) + len(splits.validation) == 200 * files
    assert len(splits.test) == 200
    assert splits.classes == tuple(f"class{i}" for i in range(classes))
    test = splits.test
    assert isinstance(test, MemoryImages)
    assert test.labels.tolist() == [i % classes for i in range(200)]
    assert test.pixels[7, :, 31, 31].tolist() == [7, 8, 9]
    assert test.pixels.shape == (200, 3, 32, 32)


def test_one_channel_is_the_luma(tmp_path: Path) -> None:
    write(tmp_path, cifar.CIFAR10, classes=10)
    test = load("cifar10", tmp_path, channels=1).test
    assert isinstance(test, MemoryImages)
    assert torch.equal(test.pixels[:, 0, 0, 0], torch.arange(200, dtype=torch.uint8) + 1)


def test_absence_says_where_it_looked_and_how_to_download(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cifar10 is neither in .*batches-bin.*data\.download=true"):
        load("cifar10", tmp_path)


def test_the_default_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=str(tmp_path / "data" / "cifar-100-binary")):
        load("cifar100", None)


@pytest.mark.parametrize("fault", ["cut", "labels", "empty"])
def test_damaged_files_are_named(tmp_path: Path, fault: str) -> None:
    write(tmp_path, cifar.CIFAR10, classes=10)
    path = tmp_path / cifar.CIFAR10.folder / "data_batch_2.bin"
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-1], "labels": b"\x0b" + content[1:], "empty": b""}[fault])
    with pytest.raises(UserError, match=r"data_batch_2\.bin is damaged; remove its folder"):
        load("cifar10", tmp_path)


def test_names_that_are_no_text_are_named(tmp_path: Path) -> None:
    write(tmp_path, cifar.CIFAR10, classes=10)
    (tmp_path / cifar.CIFAR10.folder / cifar.CIFAR10.names).write_bytes(b"cat\ndo\x8a\n")
    with pytest.raises(UserError, match=r"batches\.meta\.txt, line 2: byte 0x8a is not UTF-8"):
        load("cifar10", tmp_path)


def pack(root: Path, archive: cifar.Archive) -> cifar.Archive:
    """Packs what was written, removes it, and gives the archive with its true checksum."""
    with tarfile.open(root / archive.name, "w:gz") as packed:
        packed.add(root / archive.folder, archive.folder)
    for file in (root / archive.folder).iterdir():
        file.unlink()
    return replace(archive, md5=hashlib.md5((root / archive.name).read_bytes()).hexdigest())


def test_a_packed_archive_is_unpacked_without_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, cifar.CIFAR10, classes=10)
    monkeypatch.setattr(cifar, "CIFAR10", pack(tmp_path, cifar.CIFAR10))
    assert len(load("cifar10", tmp_path).test) == 200


def test_an_archive_with_another_checksum_is_not_unpacked(tmp_path: Path) -> None:
    write(tmp_path, cifar.CIFAR10, classes=10)
    pack(tmp_path, cifar.CIFAR10)
    with pytest.raises(UserError, match="cifar10 is neither in"):
        load("cifar10", tmp_path)


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "URL", "file:///nonexistent/")
    with pytest.raises(UserError, match=r"cifar10 could not be downloaded \(.*put cifar-10-binary"):
        load("cifar10", tmp_path, download=True)


class Trap:
    """A pickle that leaves a trace when it is opened."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.trace,))


def test_pickles_other_than_the_official_ones_are_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"):
        (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "opened")))
    with pytest.raises(UserError, match=r"incomplete or altered .*remove it, then give data\.download=true"):
        load("cifar10", tmp_path)
    assert not (tmp_path / "opened").exists()


def test_what_torchvision_downloaded_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR100

    folder = tmp_path / CIFAR100.base_folder
    folder.mkdir()
    labels = [i % 100 for i in range(200)]
    batch = {"data": np.arange(200, dtype=np.uint8)[:, None].repeat(3072, axis=1), "fine_labels": labels}
    contents = {
        "train": batch,
        "test": batch,
        "meta": {"fine_label_names": [f"class{i}" for i in range(100)]},
    }
    sums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": sums["meta"]})
    splits = load("cifar100", tmp_path)
    assert len(splits.train) == 160
    assert splits.classes[3] == "class3"
    assert isinstance(splits.test, MemoryImages)
    assert splits.test.pixels[7].unique().tolist() == [7]
    assert splits.test.labels.tolist() == labels
