"""A set of labelled images: in memory, or on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nas.errors import UserError
from nas.training.data.augment import crop_boxes, resized_crop
from nas.training.data.decode import Box, Progress, center_box, decode

DECODE_CHUNK = 64  # images per task: enough to hide the hand-over, few enough for smooth progress

SHARE_OF_GPU = 0.3
"""Images take at most this share of a GPU's free memory; larger sets stay on the host."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Read:
    """One batch to read.

    Attributes:
        indices: Positions (n,).
        crops: Random resized crops (n, 4) from ``draw_crops``, or None.
        changes: Their shifts and flips (n, 3) from ``draw_changes``, or None.
        seeds: The seeds (n, 2) of RandAugment and erasing from ``draw_seeds``, or None.
    """

    indices: Tensor
    crops: Tensor | None = None
    changes: Tensor | None = None
    seeds: Tensor | None = None

    def part(self, which: slice) -> Read:
        """A part of the batch."""
        return Read(
            indices=self.indices[which],
            crops=None if self.crops is None else self.crops[which],
            changes=None if self.changes is None else self.changes[which],
            seeds=None if self.seeds is None else self.seeds[which],
        )


def _free(device: torch.device) -> int:
    """The free bytes of a GPU, those that PyTorch has reserved included."""
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + reserved


def gathered(values: Tensor, reads: Sequence[Read]) -> Iterator[Tensor]:
    """The ``values`` (N, ...) of each read. A GPU gets all indices at once, since each copy waits."""
    if not reads:
        return
    places = torch.cat([read.indices for read in reads]).to(values.device)
    for part in torch.split(places, [len(read.indices) for read in reads]):
        yield values[part]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Images(ABC):
    """Labelled images.

    Attributes:
        labels: Class indices (N,), int64.
    """

    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images, {self.channels} channels)"

    @property
    @abstractmethod
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""

    @abstractmethod
    def take(self, indices: Tensor) -> Images:
        """The images at ``indices`` (n,), in that order."""

    @abstractmethod
    def to(self, device: torch.device) -> Images:
        """The same images, moved to ``device`` if they are in memory and fit."""

    @abstractmethod
    def read(
        self, reads: Sequence[Read], *, resolution: int, device: torch.device, workers: int
    ) -> Iterator[Tensor]:
        """Yields a batch (n, C, S, S) for each read, on ``device``, in 0 to 255, uint8 or float32.

        S is the side at which the images are stored, or ``resolution`` for images on disk.
        """


@final
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MemoryImages(Images):
    """Images held as pixels.

    Attributes:
        pixels: (N, C, H, W), uint8, on any device.
    """

    pixels: Tensor

    def __post_init__(self) -> None:
        assert self.pixels.dtype == torch.uint8 and self.pixels.ndim == 4
        assert self.labels.dtype == torch.int64 and len(self.labels) == len(self.pixels)

    @property
    def channels(self) -> int:
        return self.pixels.shape[1]

    def take(self, indices: Tensor) -> MemoryImages:
        return MemoryImages(labels=self.labels[indices], pixels=self.pixels[indices])

    def to(self, device: torch.device) -> MemoryImages:
        if device.type == "cuda" and self.pixels.nbytes > SHARE_OF_GPU * _free(device):
            return self
        return MemoryImages(labels=self.labels.to(device), pixels=self.pixels.to(device))

    def read(
        self, reads: Sequence[Read], *, resolution: int, device: torch.device, workers: int
    ) -> Iterator[Tensor]:
        upload = device.type == "cuda" and self.pixels.device.type == "cpu"
        for read, stored in zip(reads, gathered(self.pixels, reads), strict=True):
            # Copies from pinned memory overlap with the computation and do not block this process.
            x = (stored.pin_memory() if upload else stored).to(device, non_blocking=upload)
            yield x if read.crops is None else resized_crop(x, crop_boxes(read.crops.to(device)))


@final
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FileImages(Images):
    """Images on disk that are decoded batch by batch.

    Attributes:
        paths: One file per image.
        color_channels: 1 or 3. Every file is converted.
        crop_fraction: Side of the centre crop as a fraction of the shorter side: 1.0 is all of it, 0.875 is
            usual for ImageNet (224 of 256).
    """

    paths: tuple[str, ...]
    color_channels: int
    crop_fraction: float = 1.0

    def __post_init__(self) -> None:
        assert self.labels.dtype == torch.int64 and len(self.labels) == len(self.paths)

    @property
    def channels(self) -> int:
        return self.color_channels

    def take(self, indices: Tensor) -> FileImages:
        return replace(
            self, labels=self.labels[indices], paths=tuple(self.paths[index] for index in indices.tolist())
        )

    def to(self, device: torch.device) -> FileImages:
        return self

    def decoded(self, *, size: int, workers: int, progress: Progress) -> MemoryImages:
        """Decodes all images, with their centre squares resized to ``size`` pixels."""
        pixels = torch.empty((len(self), self.channels, size, size), dtype=torch.uint8)
        chunks = torch.split(torch.arange(len(self)), DECODE_CHUNK)
        reads = [Read(indices=chunk) for chunk in chunks]
        cpu = torch.device("cpu")
        for chunk, x in zip(
            chunks, self.read(reads, resolution=size, device=cpu, workers=workers), strict=True
        ):
            pixels[chunk] = x
            progress(int(chunk[-1]) + 1, len(self))
        return MemoryImages(labels=self.labels, pixels=pixels)

    def read(
        self, reads: Sequence[Read], *, resolution: int, device: torch.device, workers: int
    ) -> Iterator[Tensor]:
        decoder = _Decoder(self.color_channels, resolution, self.crop_fraction)
        cuda = device.type == "cuda"
        loader: DataLoader[Tensor | UserError] = DataLoader(
            decoder,
            sampler=_Files(self.paths, reads),
            batch_size=None,
            num_workers=workers,
            pin_memory=cuda,
            generator=torch.Generator(),  # otherwise it draws from the global one
        )
        for batch in loader:
            if isinstance(batch, UserError):
                raise batch
            yield batch.to(device, non_blocking=cuda)


_Item = tuple[list[str], Tensor | None]


@dataclass(frozen=True)
class _Files:
    """The files and crops of each read. Workers receive them with the task and need no copy of all paths."""

    paths: tuple[str, ...]
    reads: Sequence[Read]

    def __len__(self) -> int:
        return len(self.reads)

    def __iter__(self) -> Iterator[_Item]:
        for read in self.reads:
            yield [self.paths[index] for index in read.indices.tolist()], read.crops


class _Decoder(Dataset["Tensor | UserError"]):
    """Decodes a batch. Returns an error, since one raised in a worker would arrive with its traceback."""

    def __init__(self, channels: int, size: int, fraction: float) -> None:
        self.channels, self.size, self.fraction = channels, size, fraction

    def __getitem__(self, item: _Item) -> Tensor | UserError:
        paths, crops = item
        try:
            pixels = [self._decode(path, None if crops is None else crops[i]) for i, path in enumerate(paths)]
        except UserError as error:
            return error
        return torch.from_numpy(np.stack(pixels))

    def _decode(self, path: str, crop: Tensor | None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        box = partial(center_box, fraction=self.fraction) if crop is None else partial(_random_box, crop=crop)
        return decode(path, channels=self.channels, size=self.size, box=box)


def _random_box(width: int, height: int, *, crop: Tensor) -> Box:
    left, top, across, down = crop_boxes(crop, aspect=width / height).tolist()
    return (
        left * width,
        top * height,
        min(width, (left + across) * width),
        min(height, (top + down) * height),
    )


def subset(images: Images, indices: Tensor | Sequence[int]) -> Images:
    """The images at ``indices`` (n,), in that order."""
    return images.take(torch.as_tensor(indices, dtype=torch.int64))
