"""Images for training: data sets, splits, and batches on the device.

    splits = load_data("cifar10", root="data", seed=0, validation_fraction=0.1, test_fraction=0.2)
    normalize = Normalization.measure(splits.train, seed=0)
    train = splits.train.to(device)
    for x, y in batches(train, batch_size=128, resolution=32, device=device, normalize=normalize, rng=rng):
        ...

Each data set is a file in this folder: a function under :func:`register` that returns a :class:`Source`.
"""

from __future__ import annotations

from nas.training.data.augment import Augment, resize
from nas.training.data.batches import WHOLE, Normalization, Share, batches, shared
from nas.training.data.decode import Progress
from nas.training.data.digest import files_digest
from nas.training.data.images import FileImages, Images, MemoryImages, subset
from nas.training.data.load import check_settings, data_sets, decoders, load_data
from nas.training.data.registry import Request, Source, register
from nas.training.data.splits import Splits
from nas.training.data.transforms import UNMIXED, Mix

__all__ = [
    "UNMIXED",
    "WHOLE",
    "Augment",
    "FileImages",
    "Images",
    "MemoryImages",
    "Mix",
    "Normalization",
    "Progress",
    "Request",
    "Share",
    "Source",
    "Splits",
    "batches",
    "check_settings",
    "data_sets",
    "decoders",
    "files_digest",
    "load_data",
    "register",
    "resize",
    "shared",
    "subset",
]
