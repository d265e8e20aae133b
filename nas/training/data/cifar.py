"""``cifar10`` and ``cifar100``: 60,000 colour images of 32 by 32 pixels, 10,000 of them the test set.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas.errors import UserError
from nas.files import read_text
from nas.training.data.images import MemoryImages
from nas.training.data.pixels import with_channels
from nas.training.data.registry import Request, Source, nothing, register

DEFAULT_ROOT = Path("data")
URL = "https://www.cs.toronto.edu/~kriz/"
PIXEL_BYTES = 3 * 32 * 32


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An official archive of fixed-length records: label bytes (the last one counts), then R, G and B planes.

    Attributes:
        name: The archive's file name.
        md5: Its checksum, as published beside it.
        folder: The folder that it unpacks to.
        train: Files of training records.
        test: File of test records.
        names: File of class names, one per line.
        label_bytes: Bytes before the pixels.
        torchvision: The torchvision class for the other official archive of the same images.
    """

    name: str
    md5: str
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int
    torchvision: str


CIFAR10 = Archive(
    name="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test="test_batch.bin",
    names="batches.meta.txt",
    label_bytes=1,
    torchvision="CIFAR10",
)
CIFAR100 = Archive(
    name="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    folder="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    names="fine_label_names.txt",
    label_bytes=2,  # the coarse label, then the fine one
    torchvision="CIFAR100",
)


@register("cifar10", files=nothing)
def load_cifar10(request: Request) -> Source:
    """Reads CIFAR-10 from ``request.root``."""
    return _load(CIFAR10, request, "cifar10")


@register("cifar100", files=nothing)
def load_cifar100(request: Request) -> Source:
    """Reads CIFAR-100, with its 100 fine labels, from ``request.root``."""
    return _load(CIFAR100, request, "cifar100")


def _load(archive: Archive, request: Request, name: str) -> Source:
    root = request.root or DEFAULT_ROOT
    channels = request.channels or 3
    if not _unpacked(archive, root):
        python = importlib.import_module("torchvision.datasets").__dict__[archive.torchvision]
        if (root / python.base_folder).is_dir():
            return _from_torchvision(python, root, channels)
        _fetch(archive, root, name, download=request.download)
    folder = root / archive.folder
    classes = tuple(read_text(folder / archive.names).split())
    train = [_records(folder / file, archive.label_bytes, len(classes)) for file in archive.train]
    test = _records(folder / archive.test, archive.label_bytes, len(classes))
    return Source(
        train=_images(np.concatenate(train), archive.label_bytes, channels),
        test=_images(test, archive.label_bytes, channels),
        classes=classes,
    )


def _unpacked(archive: Archive, root: Path) -> bool:
    return all(
        (root / archive.folder / file).is_file() for file in (*archive.train, archive.test, archive.names)
    )


def _fetch(archive: Archive, root: Path, name: str, *, download: bool) -> None:
    """Unpacks the archive if its checksum is right. If allowed, a missing archive is downloaded."""
    utils = importlib.import_module("torchvision.datasets.utils")
    if not download and not utils.check_integrity(str(root / archive.name), archive.md5):
        raise UserError(
            f"{name} is neither in {(root / archive.folder).absolute()} nor in {archive.name} beside it; "
            f"give data.download=true to download it there, or data.root=FOLDER if it lies elsewhere"
        )
    try:
        utils.download_and_extract_archive(URL + archive.name, str(root), md5=archive.md5)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{name} could not be downloaded ({error}); try again, or put {archive.name} (MD5 {archive.md5}) "
            f"into {root.absolute()} yourself"
        ) from None


def _records(path: Path, label_bytes: int, classes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Reads (N, label_bytes + 3072) bytes."""
    length = label_bytes + PIXEL_BYTES
    data = np.fromfile(path, dtype=np.uint8)
    whole = data.size > 0 and data.size % length == 0
    if not whole or data.reshape(-1, length)[:, label_bytes - 1].max() >= classes:
        raise UserError(f"{path} is damaged; remove its folder and unpack or download the archive again")
    return data.reshape(-1, length)


def _images(
    records: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], label_bytes: int, channels: int
) -> MemoryImages:
    pixels = torch.from_numpy(records[:, label_bytes:].reshape(-1, 3, 32, 32).copy())
    labels = torch.from_numpy(records[:, label_bytes - 1].astype(np.int64))
    return MemoryImages(labels=labels, pixels=with_channels(pixels, channels))


def _from_torchvision(python: Any, root: Path, channels: int) -> Source:
    """Reads an archive that torchvision has downloaded.

    The archive holds pickles, which can execute code. torchvision only opens files with the official MD5, so
    no other pickle is opened.
    """
    try:
        parts = [python(str(root), train=train) for train in (True, False)]
    except RuntimeError as error:
        folder = (root / python.base_folder).absolute()
        raise UserError(
            f"{folder} is incomplete or altered ({error}); remove it, then give data.download=true"
        ) from None
    images = [
        MemoryImages(
            labels=torch.tensor(part.targets, dtype=torch.int64),
            pixels=with_channels(torch.from_numpy(part.data.transpose(0, 3, 1, 2).copy()), channels),
        )
        for part in parts
    ]
    return Source(train=images[0], test=images[1], classes=tuple(parts[0].classes))
