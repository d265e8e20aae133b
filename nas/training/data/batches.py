"""From a set of images to batches that a network can eat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.training.data.augment import Augment, augmented, draw_crops, resize
from nas.training.data.images import Images, Read

LEAST_DEVIATION = (
    1 / 255
)  # of a channel that never changes: one grey step, so that nothing is divided by zero


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """Mean and standard deviation of each channel, for pixels scaled to 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @staticmethod
    def measure(images: Images, *, seed: int, limit: int = 10_000, workers: int = 0) -> Normalization:
        """Measures up to ``limit`` images, drawn by ``seed``. Give it training images only.

        Images on disk are measured at 128 by 128 pixels.
        """
        rng = torch.Generator().manual_seed(seed)
        drawn = images.take(torch.randperm(len(images), generator=rng)[:limit])
        reads = _plan(drawn, batch_size=256, order=torch.arange(len(drawn)), crops=None, drop_last=False)
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
        mean = torch.tensor(self.mean, device=x.device)[:, None, None] * 255
        std = torch.tensor(self.std, device=x.device)[:, None, None] * 255
        return (x - mean) / std


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
) -> Iterator[tuple[Tensor, Tensor]]:
    """One pass over ``images``.

    Images in memory are moved to ``device`` whole, then gathered, augmented and resized there; move them once
    with ``images.to(device)`` where many passes are made. Images on disk are decoded by ``workers`` processes
    (in this one if 0). The result does not depend on ``workers``.

    Args:
        images: The images.
        batch_size: Images a batch.
        resolution: Side of the result in pixels.
        device: Where the batches are wanted.
        normalize: Mean and standard deviation, measured on training images.
        augment: Random changes; they need ``rng``.
        rng: Shuffles and augments. Without it the images come in order.
        drop_last: Leaves out an incomplete last batch.
        workers: Processes that decode images on disk.

    Yields:
        Images (N, C, resolution, resolution), float32 and channels-last in memory, and labels (N,), int64.
    """
    assert rng is not None or augment is None, "augmentation needs a random generator"
    order = torch.arange(len(images)) if rng is None else _shuffled(len(images), rng)
    crops = None
    if augment is not None and augment.resized_crop is not None and rng is not None:
        # Drawn for the whole pass, so that workers that read ahead don't change what comes out.
        crops = draw_crops(len(images), area=augment.resized_crop, rng=rng).cpu()
    reads = _plan(images, batch_size=batch_size, order=order, crops=crops, drop_last=drop_last)
    pixels = images.read(reads, resolution=resolution, device=device, workers=workers)
    for read, stored in zip(reads, pixels, strict=True):
        x = stored if augment is None or rng is None else augmented(stored, augment, rng)
        x = normalize.apply(resize(x.float(), resolution)).contiguous(memory_format=torch.channels_last)
        yield x, images.labels[read.indices.to(images.labels.device)].to(device)


def _shuffled(count: int, rng: torch.Generator) -> Tensor:
    return torch.randperm(count, generator=rng, device=rng.device).cpu()


def _plan(
    images: Images, *, batch_size: int, order: Tensor, crops: Tensor | None, drop_last: bool
) -> list[Read]:
    """Cuts a pass into batches."""
    count = len(images) // batch_size * batch_size if drop_last else len(images)
    return [
        Read(indices=order[start:stop], crops=None if crops is None else crops[start:stop])
        for start in range(0, count, batch_size)
        for stop in [min(start + batch_size, count)]
    ]
