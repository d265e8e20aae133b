"""Data ready for training: on the device, with normalisation and augmentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nas.training.data import Augment, Images, Normalization, Splits, batches
from nas.training.data.splits import balanced_weights
from nas.training.optimization import Compute


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Splits on their device, and the settings of their batches.

    Attributes:
        splits: Training, validation and test images.
        normalize: Mean and standard deviation, those of the training images or of inherited weights.
        augment: The augmentation of training images.
        compute: Device and precision.
        workers: Processes that decode images on disk.
        class_weights: Factor on the loss of each class, (classes,); ``None`` for equal ones.
    """

    splits: Splits
    normalize: Normalization
    augment: Augment
    compute: Compute
    workers: int
    class_weights: Tensor | None = None

    @classmethod
    def of(
        cls, splits: Splits, *, augment: Augment, compute: Compute, workers: int = 0, balanced: bool = False
    ) -> Prepared:
        """Measures the normalisation and moves images in memory to the device.

        Args:
            splits: The images.
            augment: The augmentation of training images.
            compute: Device and precision.
            workers: Processes that decode images on disk.
            balanced: Whether each class has the same share of the loss.
        """
        weights = balanced_weights(splits.train.labels, classes=len(splits.classes)) if balanced else None
        normalize = Normalization.measure(splits.train, seed=0, workers=workers)
        moved = replace(
            splits,
            train=splits.train.to(compute.device),
            validation=splits.validation.to(compute.device),
            test=splits.test.to(compute.device),
        )
        return cls(
            splits=moved,
            normalize=normalize,
            augment=augment,
            compute=compute,
            workers=workers,
            class_weights=None if weights is None else weights.to(compute.device),
        )

    def normalized(self, mean: Sequence[float], std: Sequence[float]) -> Prepared:
        """The same images with another normalisation, which trained weights expect."""
        return replace(self, normalize=Normalization(mean=tuple(mean), std=tuple(std)))

    def training(
        self, *, batch_size: int, resolution: int, rng: torch.Generator, first: int = 0
    ) -> Iterable[tuple[Tensor, Tensor]]:
        """One shuffled, augmented pass over the training images, without an incomplete batch.

        Args:
            batch_size: Images per batch of all processes. This process gets its share.
            resolution: Side of the images in pixels.
            rng: Shuffles and augments. Its state is the same in all processes.
            first: The first batch.
        """
        return batches(
            self.splits.train,
            batch_size=min(batch_size, len(self.splits.train)),
            resolution=resolution,
            device=self.compute.device,
            normalize=self.normalize,
            augment=self.augment,
            rng=rng,
            drop_last=True,
            workers=self.workers,
            first=first,
            share=self.compute.processes.share,
        )

    def plain(self, images: Images, *, resolution: int) -> Iterable[tuple[Tensor, Tensor]]:
        """The images in order, without augmentation."""
        return batches(
            images,
            batch_size=256,
            resolution=resolution,
            device=self.compute.device,
            normalize=self.normalize,
            workers=self.workers,
        )

    def steps(self, batch_size: int) -> int:
        """Batches of one training pass."""
        return max(1, len(self.splits.train) // batch_size)
