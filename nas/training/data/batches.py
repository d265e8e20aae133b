"""From a set of images to the batches of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from nas.training.data.augment import Augment, augmented, draw_changes, draw_crops, resize
from nas.training.data.images import Images, Read, gathered
from nas.training.data.transforms import draw_seeds, erased, rand_augmented

LEAST_DEVIATION = 1 / 255  # one grey step, for constant channels


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """Mean and standard deviation of each channel, of pixels scaled to 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @staticmethod
    def measure(images: Images, *, seed: int, limit: int = 10_000, workers: int = 0) -> Normalization:
        """Measures up to ``limit`` training images, drawn by ``seed``.

        Images on disk are measured at 128 by 128 pixels.
        """
        rng = torch.Generator().manual_seed(seed)
        drawn = images.take(torch.randperm(len(images), generator=rng)[:limit])
        reads = _draw(drawn, batch_size=256, augment=None, rng=None, drop_last=False)
        total, squares, count = torch.zeros(images.channels), torch.zeros(images.channels), 0
        total, squares = total.double(), squares.double()
        for x in drawn.read(reads, resolution=128, device=images.labels.device, workers=workers):
            values = x.cpu().double().div_(255).transpose(0, 1).flatten(1)
            total += values.sum(1)
            squares += values.square().sum(1)
            count += values.shape[1]
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=LEAST_DEVIATION**2).sqrt()
        return Normalization(mean=tuple(mean.tolist()), std=tuple(std.tolist()))

    def apply(self, x: Tensor) -> Tensor:
        """Normalizes floating-point ``x`` (N, C, H, W) of 0..255."""
        mean, std = _on(x.device, self.mean), _on(x.device, self.std)
        return (x - mean) / std

    def undo(self, x: Tensor) -> Tensor:
        """The inverse of ``apply``."""
        return x * _on(x.device, self.std) + _on(x.device, self.mean)


@lru_cache(maxsize=64)
def _on(device: torch.device, shares: tuple[float, ...]) -> Tensor:
    """Values per channel (C, 1, 1), scaled to 0..255, cached since a copy to a GPU waits for its work."""
    return torch.tensor(shares, device=device)[:, None, None] * 255


@dataclass(frozen=True, kw_only=True)
class Share:
    """Part ``index`` of ``count`` contiguous and nearly equal parts."""

    index: int = 0
    count: int = 1

    def of(self, size: int) -> slice:
        """The part of ``size`` items."""
        return slice(size * self.index // self.count, size * (self.index + 1) // self.count)


WHOLE = Share()


def shared(images: Images, share: Share) -> Images:
    """A part of the images, in order."""
    return images if share == WHOLE else images.take(torch.arange(len(images))[share.of(len(images))])


def batches(
    images: Images,
    *,
    batch_size: int,
    resolution: int,
    device: torch.device,
    normalize: Normalization,
    augment: Augment | None = None,
    rng: torch.Generator | None = None,
    drop_last: bool = False,
    workers: int = 0,
    first: int = 0,
    share: Share = WHOLE,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One pass over ``images``.

    Images in memory are gathered on their device, then augmented and resized on ``device``; move them there
    once with ``images.to(device)`` if they fit. Images on disk are decoded by ``workers`` processes (by this
    one if 0). All random numbers are drawn at the start of the pass, so that augmentation depends on none of
    ``workers``, ``first`` and ``share``.

    Args:
        images: The images.
        batch_size: Images per batch.
        resolution: Side of the result in pixels.
        device: Device of the batches.
        normalize: Mean and standard deviation of the training images.
        augment: Random changes, which need ``rng``.
        rng: Shuffles and augments. Without it, images keep their order.
        drop_last: Whether to leave out an incomplete last batch.
        workers: Processes that decode images on disk.
        first: The first batch, for a pass that was interrupted.
        share: The part of each batch, for several processes.

    Yields:
        Images (N, C, resolution, resolution), float32 and channels-last in memory, and labels (N,), int64.
    """
    assert rng is not None or augment is None, "augmentation needs a random generator"
    reads = _draw(images, batch_size=batch_size, augment=augment, rng=rng, drop_last=drop_last)
    reads = [read.part(share.of(len(read.indices))) for read in reads[first:]]
    pixels = images.read(reads, resolution=resolution, device=device, workers=workers)
    labels = gathered(images.labels, reads)
    for read, stored, y in zip(reads, pixels, labels, strict=True):
        x = stored if augment is None else _changed(stored, augment, read)
        x = normalize.apply(resize(x.float(), resolution))
        if augment is not None and augment.erase and read.seeds is not None:
            x = erased(x, augment, read.seeds[:, 1])
        yield x.contiguous(memory_format=torch.channels_last), y.to(device, non_blocking=True)


def _changed(x: Tensor, augment: Augment, read: Read) -> Tensor:
    """Applies the changes that precede normalisation to images (N, C, H, W)."""
    x = x if read.changes is None else augmented(x, augment, read.changes)
    return (
        rand_augmented(x, augment, read.seeds[:, 0]) if augment.rand_augment and read.seeds is not None else x
    )


def _draw(
    images: Images,
    *,
    batch_size: int,
    augment: Augment | None,
    rng: torch.Generator | None,
    drop_last: bool,
) -> list[Read]:
    """The batches of a pass with their random numbers."""
    count = len(images)
    crops = changes = seeds = None
    if rng is None:
        order = torch.arange(count)
    else:
        order = torch.randperm(count, generator=rng, device=rng.device).cpu()
        if augment is not None:
            changes = draw_changes(count, rng=rng).cpu()
            if augment.resized_crop is not None:
                crops = draw_crops(count, area=augment.resized_crop, rng=rng).cpu()
            if augment.rand_augment or augment.erase:
                seeds = draw_seeds(count, 2, rng=rng)
    whole = Read(indices=order, crops=crops, changes=changes, seeds=seeds)
    end = count // batch_size * batch_size if drop_last else count
    return [whole.part(slice(start, min(start + batch_size, end))) for start in range(0, end, batch_size)]
