"""The accuracy of a network, and the BatchNorm calibration that a subnet needs before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.network import NetworkSpec
from nas.nn import StaticNetwork, Supernet
from nas.training.data import Images, Normalization, batches, subset
from nas.training.optimization import Compute


@dataclass(frozen=True)
class Accuracy:
    """Correct answers out of a number of images."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        return self.correct / self.total


@torch.no_grad()
def calibrate(model: nn.Module, image_batches: Iterable[Tensor]) -> None:
    """Recomputes every BatchNorm's statistics as the plain average over the given batches.

    Only BatchNorm is in training mode meanwhile (Yu and Huang 2019, section 3.4).

    Args:
        model: A static network; its statistics are replaced.
        image_batches: Training images (N, C, H, W), at the resolution at which it will be evaluated.
    """
    training = model.training
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
        norm.train()
    for x in image_batches:
        model(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)


@torch.no_grad()
def evaluate(
    model: nn.Module, image_batches: Iterable[tuple[Tensor, Tensor]], *, compute: Compute
) -> Accuracy:
    """Counts the images that a network, in evaluation mode, gives their label first.

    Args:
        model: Maps (N, C, H, W) to logits (N, classes).
        image_batches: Images and labels.
        compute: How precisely to compute.
    """
    training = model.training
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=compute.device)
    total = 0
    for x, y in image_batches:
        with compute.context():
            correct += (model(x).argmax(1) == y).sum()
        total += len(y)
    model.train(training)
    return Accuracy(int(correct), total)


@dataclass(frozen=True, kw_only=True)
class SubnetEvaluator:
    """Gives the accuracy of a supernet's subnets: extract, calibrate, evaluate.

    Attributes:
        supernet: The trained supernet.
        calibration: Training images that the statistics are computed on, the same for every subnet.
        validation: Images that the accuracy is computed on.
        normalize: The training images' mean and standard deviation.
        compute: Where and how precisely.
        batch_size: Images at a time.
    """

    supernet: Supernet
    calibration: Images
    validation: Images
    normalize: Normalization
    compute: Compute
    batch_size: int = 256

    @classmethod
    def of(
        cls,
        supernet: Supernet,
        *,
        train: Images,
        validation: Images,
        normalize: Normalization,
        compute: Compute,
        calibration_images: int,
        seed: int,
    ) -> SubnetEvaluator:
        """Draws the calibration images from the training images, by ``seed``."""
        rng = torch.Generator().manual_seed(seed)
        drawn = subset(train, torch.randperm(len(train), generator=rng)[:calibration_images])
        return cls(
            supernet=supernet.to(compute.device),
            calibration=drawn.to(compute.device),
            validation=validation.to(compute.device),
            normalize=normalize,
            compute=compute,
        )

    def extract(self, network: NetworkSpec) -> StaticNetwork:
        """The subnet as a static module, calibrated, in evaluation mode."""
        static = self.supernet.extract(network).eval()
        calibrate(static, (x for x, _ in self._batches(self.calibration, network)))
        return static

    def accuracy(self, network: NetworkSpec) -> Accuracy:
        """The subnet's accuracy on the validation images."""
        return evaluate(self.extract(network), self._batches(self.validation, network), compute=self.compute)

    def _batches(self, images: Images, network: NetworkSpec) -> Iterable[tuple[Tensor, Tensor]]:
        return batches(
            images,
            batch_size=self.batch_size,
            resolution=network.resolution,
            device=self.compute.device,
            normalize=self.normalize,
        )
