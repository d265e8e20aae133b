"""Finding damaged image files before a data set is split, so that no later step reads one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from nas.errors import UserError
from nas.training.data.decode import Progress, center_box, decode
from nas.training.data.images import DECODE_CHUNK, FileImages, Images
from nas.training.data.registry import Source
from nas.training.data.splits import listed


def without_damaged(source: Source, *, workers: int, progress: Progress) -> Source:
    """The data set without the files that cannot be decoded; a note names them.

    Args:
        source: The data set. Images in memory are not checked.
        workers: Processes that decode.
        progress: Called while files are decoded.

    Raises:
        UserError: If a part, or a class of the training set, has no images left.
    """
    parts = {name: images for name, images in _parts(source).items() if isinstance(images, FileImages)}
    if not parts:
        return source
    paths = [path for images in parts.values() for path in images.paths]
    channels = next(iter(parts.values())).channels
    damaged = find_damaged(paths, channels=channels, workers=workers, progress=progress)
    if not damaged:
        return source
    sound: dict[str, Any] = {name: _without(images, frozenset(damaged)) for name, images in parts.items()}
    result = replace(
        source, **sound, notes=(*source.notes, f"skipped damaged images: {len(damaged)} ({listed(damaged)})")
    )
    _check_nothing_is_emptied(source, result)
    return result


def find_damaged(
    paths: Sequence[str], *, channels: int, workers: int = 0, progress: Progress = lambda done, total: None
) -> list[str]:
    """The files that cannot be decoded, in order.

    Args:
        paths: Image files.
        channels: Channels to which they are converted.
        workers: Processes that decode; this one if 0.
        progress: Called with the number of checked files and the number of all.
    """
    chunks = [paths[start : start + DECODE_CHUNK] for start in range(0, len(paths), DECODE_CHUNK)]
    loader: DataLoader[list[str]] = DataLoader(
        _Check(channels),
        sampler=chunks,
        batch_size=None,
        num_workers=workers,
        generator=torch.Generator(),  # otherwise it draws from the global one
    )
    damaged: list[str] = []
    done = 0
    for chunk, faulty in zip(chunks, loader, strict=True):
        damaged += faulty
        done += len(chunk)
        progress(done, len(paths))
    return damaged


class _Check(Dataset["list[str]"]):
    """Returns the files of a group that cannot be decoded.

    JPEGs are decoded at an eighth of their size, which reads all of their data several times as fast.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def __getitem__(self, paths: Sequence[str]) -> list[str]:
        return [path for path in paths if not self._is_sound(path)]

    def _is_sound(self, path: str) -> bool:
        try:
            decode(path, channels=self.channels, size=1, box=center_box)
        except UserError:
            return False
        return True


def _without(images: FileImages, paths: frozenset[str]) -> FileImages:
    positions = [position for position, path in enumerate(images.paths) if path not in paths]
    return images.take(torch.tensor(positions, dtype=torch.int64))


def _parts(source: Source) -> dict[str, Images | None]:
    return {"train": source.train, "validation": source.validation, "test": source.test}


def _check_nothing_is_emptied(before: Source, after: Source) -> None:
    for name, images in _parts(after).items():
        if images is not None and not len(images):
            raise UserError(f"all {name} images are damaged; replace them by sound copies")
    counts = [
        torch.bincount(source.train.labels, minlength=len(before.classes)) for source in (before, after)
    ]
    emptied = [name for name, had, has in zip(before.classes, *counts, strict=True) if had and not has]
    if emptied:
        raise UserError(
            f"all training images of {listed(emptied)} are damaged; replace them by sound copies, or remove "
            "the class"
        )
