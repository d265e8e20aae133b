"""Loading a data set by its name, and splitting it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from nas.errors import UserError, unknown
from nas.training.data.damage import without_damaged
from nas.training.data.decode import MODES, Progress, examine
from nas.training.data.images import FileImages, Images, MemoryImages
from nas.training.data.registry import DATA_SETS, Request, Source
from nas.training.data.splits import Splits, absence_notes, stratified, validation_count

CACHES = ("auto", "memory", "disk")
CACHE_LIMIT_BYTES = 2_000_000_000
LARGEST_AUTO_STORE_SIZE = 256
WORTH_WORKERS = 1000  # images; fewer are decoded before the processes have started
MOST_WORKERS = 16
LOCAL_COUNTS = ("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE")  # set by torchrun and Slurm


def data_sets() -> tuple[str, ...]:
    """The names of all data sets."""
    return DATA_SETS.names()


def load_data(
    name: str,
    *,
    root: str | Path | None = None,
    seed: int,
    validation_fraction: float | None,
    test_fraction: float,
    download: bool = False,
    channels: int | None = None,
    cache: str = "auto",
    max_train_images: int | None = None,
    store_size: int | None = None,
    workers: int | None = None,
    skip_damaged: bool = False,
    progress: Progress | None = None,
) -> Splits:
    """Reads a data set and splits it.

    The test set is the data set's own, or else ``test_fraction`` of all images. The search-validation set is
    ``validation_fraction`` of the remaining training images, or the data set's own if it has all three parts.
    Splits are stratified by class and depend on ``seed`` only.

    Args:
        name: One of :func:`data_sets`.
        root: The folder of the data set.
        seed: Determines the splits.
        validation_fraction: 0 < fraction < 1; None draws ``splits.validation_count`` images.
        test_fraction: 0 < fraction < 1, for data sets without a test set.
        download: Whether the data set may be downloaded.
        channels: 1 or 3 converts the images; None keeps their channels.
        cache: Caching of image files: ``"memory"`` decodes all of them at once, ``"disk"`` decodes them when
            needed, ``"auto"`` uses memory up to 2 GB.
        max_train_images: Largest number of training images (stratified). Other parts stay complete.
        store_size: Side in pixels of cached image files. The shorter side is resized to it and the centre
            cropped. None means the median shorter side, at most 256.
        workers: Processes that decode cached files. None means one per core, or none for few files.
        skip_damaged: Whether to leave out image files that cannot be decoded, which decodes all files first.
            Otherwise the first one is an error.
        progress: Called while files are decoded.

    Raises:
        UserError: If an argument is out of range, or the data set is absent, incomplete or damaged.
    """
    check_settings(
        name,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        channels=channels,
        cache=cache,
        max_train_images=max_train_images,
        store_size=store_size,
        workers=workers,
    )
    folder = None if root is None else Path(root).expanduser()
    request = Request(root=folder, download=download, channels=channels, skip_damaged=skip_damaged)
    source = DATA_SETS.find(name).load(request)
    if cache == "memory" and not source.fits_memory:
        raise UserError(f"data set {name} is too large for cache=memory; allowed: auto, disk")
    if skip_damaged:
        count = decoders(source.train, workers)
        source = without_damaged(source, workers=count, progress=progress or _silent)
    train, validation, test = _split(source, seed, validation_fraction, test_fraction)
    own = {"validation": source.validation, "test": source.test}
    drawn = tuple(part for part, images in own.items() if images is None)
    absences = absence_notes(
        train=train, validation=validation, test=test, classes=source.classes, drawn=drawn
    )
    train = _at_most(train, max_train_images, classes=len(source.classes), seed=seed)
    parts = [train, validation, test]
    if source.fits_memory and cache != "disk":
        parts = _cached(
            parts,
            must=cache == "memory",
            store_size=store_size,
            workers=workers,
            progress=progress or _silent,
        )
    return Splits(
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        classes=source.classes,
        channels=parts[0].channels,
        notes=(*source.notes, *absences),
        crop_fraction=test.crop_fraction if isinstance(test, FileImages) else 1.0,
        drawn=drawn,
    )


def check_settings(
    name: str,
    *,
    validation_fraction: float | None,
    test_fraction: float,
    channels: int | None = None,
    cache: str = "auto",
    max_train_images: int | None = None,
    store_size: int | None = None,
    workers: int | None = None,
    prefix: str = "",
) -> None:
    """Checks the settings before images are read.

    The arguments are those of :func:`load_data`; messages put ``prefix`` before their names.

    Raises:
        UserError: If an argument is out of range, or there is no such data set.
    """
    if name not in (names := data_sets()):
        hint = "Your own pictures: data=image_folder data.root=FOLDER"
        raise unknown("data set", name, names, hint=hint)
    if channels is not None and channels not in MODES:
        raise UserError(
            f"{prefix}channels is {channels}; allowed: 1 (grey), 3 (colour), or null for what the images have"
        )
    if cache not in CACHES:
        raise unknown(f"{prefix}cache", cache, CACHES)
    if store_size is not None and store_size < 1:
        raise UserError(
            f"{prefix}store_size is {store_size}; give a number of pixels, or null to let it be chosen"
        )
    if max_train_images is not None and max_train_images < 1:
        raise UserError(f"{prefix}max_train_images is {max_train_images}; give at least 1, or null for all")
    if workers is not None and workers < 0:
        raise UserError(f"{prefix}workers is {workers}; give 0 for none, a number, or null for one a core")
    for what, fraction in (("validation_fraction", validation_fraction), ("test_fraction", test_fraction)):
        if fraction is not None and not 0 < fraction < 1:
            raise UserError(f"{prefix}{what} is {fraction}; it must lie between 0 and 1, e.g. 0.2")


def _split(
    source: Source, seed: int, validation_fraction: float | None, test_fraction: float
) -> tuple[Images, Images, Images]:
    """Splits test and validation images off the training images if the data set has none."""
    train, test = source.train, source.test
    if test is None:
        train, test = _take(train, fraction=test_fraction, seed=seed, purpose="test")
    validation = source.validation
    if validation is None:
        train, validation = _take(train, fraction=validation_fraction, seed=seed, purpose="validation")
    return train, validation, test


def _take(images: Images, *, fraction: float | None, seed: int, purpose: str) -> tuple[Images, Images]:
    """Splits off a fraction of the training images, at least one; None is for ``validation_count``."""
    if int(torch.bincount(images.labels).max()) < 2:
        raise UserError(
            f"no training image is left for {purpose}: each of the {len(images)} has a class of its own, and "
            "training needs one image per class; add images to at least one class"
        )
    count = validation_count(len(images)) if fraction is None else round(fraction * len(images))
    if not count:
        raise UserError(
            f"{fraction:g} of {len(images)} training images is less than one image for {purpose}; add images "
            f"or raise {purpose}_fraction to at least {1 / len(images):.2g}"
        )
    rest, taken = stratified(images.labels, taken=count, seed=seed, purpose=purpose)
    return images.take(rest), images.take(taken)


def _at_most(train: Images, limit: int | None, *, classes: int, seed: int) -> Images:
    if limit is None or limit >= len(train):
        return train
    if limit < classes:
        raise UserError(f"max_train_images is {limit}; {classes} classes need at least {classes}")
    positions, _ = stratified(train.labels, taken=len(train) - limit, seed=seed, purpose="max_train_images")
    return train.take(positions)


def _cached(
    parts: Sequence[Images], *, must: bool, store_size: int | None, workers: int | None, progress: Progress
) -> list[Images]:
    """Decodes files into memory if they fit or must. All parts share one size and one progress."""
    files = [part for part in parts if isinstance(part, FileImages)]
    if len(files) < len(parts):
        return list(parts)
    size = store_size or min(LARGEST_AUTO_STORE_SIZE, examine(files[0].paths)[0])
    sizes = [len(part) for part in files]
    if not must and sum(sizes) * files[0].channels * size**2 > CACHE_LIMIT_BYTES:
        return list(parts)
    together = replace(
        files[0],
        labels=torch.cat([part.labels for part in files]),
        paths=sum((part.paths for part in files), ()),
    )
    images = together.decoded(size=size, workers=decoders(together, workers), progress=progress)
    pieces = zip(torch.split(images.labels, sizes), torch.split(images.pixels, sizes), strict=True)
    return [MemoryImages(labels=labels, pixels=pixels) for labels, pixels in pieces]


def decoders(images: Images, workers: int | None) -> int:
    """The number of decoding processes: ``workers``, or one per core, or none for few or decoded images.

    Several processes of a launcher on this machine share the cores.
    """
    if workers is not None:
        return workers
    if not isinstance(images, FileImages) or len(images) < WORTH_WORKERS:
        return 0
    sharing = next((int(os.environ[name]) for name in LOCAL_COUNTS if os.environ.get(name, "").isdigit()), 1)
    return min(max(1, _cores() // max(sharing, 1)), MOST_WORKERS)


def _cores() -> int:
    """The cores that this process may use, if the system reports them, else all cores."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _silent(done: int, total: int) -> None:
    """Shows no progress."""
