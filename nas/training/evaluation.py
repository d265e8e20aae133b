"""The accuracy of a network, and the BatchNorm calibration of a subnet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nas.network import NetworkSpec
from nas.nn import StaticNetwork, Supernet
from nas.training.data import Images, Normalization, batches, shared, subset
from nas.training.optimization import Compute

MOST_CONFUSIONS = 200
"""Pairs of label and wrong answer that are kept: all of up to 14 classes."""


@dataclass(frozen=True)
class Accuracy:
    """The number of correctly classified images out of a total.

    Attributes:
        correct: Images that were classified correctly.
        total: Images.
        by_class: Both counts of each class; empty if the classes were not counted apart.
        confusions: Label, wrong answer and number of images, the most frequent ``MOST_CONFUSIONS`` first.
    """

    correct: int
    total: int
    by_class: tuple[tuple[int, int], ...] = ()
    confusions: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def of_classes(cls, correct: Sequence[int], total: Sequence[int]) -> Accuracy:
        """The accuracy whose counts are given for each class."""
        return cls(sum(correct), sum(total), tuple(zip(correct, total, strict=True)))

    @classmethod
    def of_answers(cls, counts: Tensor) -> Accuracy:
        """The accuracy whose images are counted by label and answer, (classes, classes)."""
        right = counts.diagonal()
        wrong = counts - right.diag()
        pairs = wrong.nonzero()
        images = wrong[pairs[:, 0], pairs[:, 1]]
        order = torch.argsort(images, descending=True, stable=True)[:MOST_CONFUSIONS]
        triples = torch.cat([pairs, images[:, None]], dim=1)[order].tolist()
        accuracy = cls.of_classes(right.tolist(), counts.sum(1).tolist())
        return replace(accuracy, confusions=tuple((label, answer, n) for label, answer, n in triples))

    @property
    def value(self) -> float:
        return self.correct / self.total


@torch.no_grad()
def calibrate(model: nn.Module, image_batches: Iterable[Tensor]) -> None:
    """Recomputes the statistics of every BatchNorm as plain averages over batches.

    Meanwhile only BatchNorm is in training mode (Yu and Huang 2019, section 3.4). A network without BatchNorm
    has no statistics, and reads no image.

    Args:
        model: A static network, whose statistics are replaced.
        image_batches: Training images (N, C, H, W) at the resolution of the evaluation.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    training = model.training
    model.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    for count, x in enumerate(image_batches, 1):
        for norm in norms:
            norm.momentum = 1 / count  # a plain average; None would wait for the GPU in each layer
        model(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)


def drawn(train: Images, *, count: int, seed: int) -> Images:
    """Up to ``count`` training images for BatchNorm statistics, determined by the seed."""
    rng = torch.Generator().manual_seed(seed)
    return subset(train, torch.randperm(len(train), generator=rng)[:count])


@torch.no_grad()
def evaluate(
    model: nn.Module, image_batches: Iterable[tuple[Tensor, Tensor]], *, compute: Compute, classes: int = 0
) -> Accuracy:
    """Counts the correctly classified images of a network in evaluation mode.

    Args:
        model: Maps (N, C, H, W) to logits (N, classes).
        image_batches: This process's share of the images, with their labels.
        compute: The precision and the processes. The result counts the images of all processes.
        classes: How many classes to count apart; 0 counts all images together.
    """
    training = model.training
    model.eval()
    size = classes or 2
    counts = torch.zeros(size, size, dtype=torch.int64, device=compute.device)
    for x, y in image_batches:
        with compute.context():
            answers = model(x).argmax(1)
        # Without classes, there are right and wrong answers to one kind of images.
        label, answer = (y.long(), answers) if classes else (torch.zeros_like(answers), (answers != y).long())
        counts.view(-1).scatter_add_(0, size * label + answer, torch.ones_like(answer))
    model.train(training)
    together = Accuracy.of_answers(compute.processes.total(counts).cpu())
    return together if classes else Accuracy(together.correct, together.total)


@torch.no_grad()
def right_answers(
    model: nn.Module, image_batches: Iterable[tuple[Tensor, Tensor]], *, compute: Compute
) -> Tensor:
    """Whether a network in evaluation mode classifies each image correctly, (images,) of bool on the CPU.

    Args:
        model: Maps (N, C, H, W) to logits (N, classes).
        image_batches: The images, with their labels.
        compute: The precision.
    """
    parts = []
    for x, y in image_batches:
        with compute.context():
            parts.append(model(x).argmax(1) == y)
    return torch.cat(parts).cpu()


@dataclass(frozen=True, kw_only=True)
class SubnetEvaluator:
    """Computes the accuracy of subnets: extract, calibrate, evaluate.

    Attributes:
        supernet: The trained supernet.
        calibration: Training images for BatchNorm statistics, the same for every subnet.
        validation: Images for the accuracy.
        normalize: Mean and standard deviation of the training images.
        compute: Device and precision.
        batch_size: Images per batch.
        workers: Processes that decode images on disk.
    """

    supernet: Supernet
    calibration: Images
    validation: Images
    normalize: Normalization
    compute: Compute
    batch_size: int = 256
    workers: int = 0

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
        workers: int = 0,
    ) -> SubnetEvaluator:
        """An evaluator with calibration images drawn from the training images by ``seed``."""
        return cls(
            supernet=supernet.to(compute.device),
            calibration=drawn(train, count=calibration_images, seed=seed).to(compute.device),
            validation=validation.to(compute.device),
            normalize=normalize,
            compute=compute,
            workers=workers,
        )

    def extract(self, network: NetworkSpec) -> StaticNetwork:
        """The subnet as a calibrated static module in evaluation mode."""
        static = self.supernet.extract(network).eval()
        calibrate(static, (x for x, _ in self.batches(self.calibration, network)))
        return static

    def accuracy(self, network: NetworkSpec) -> Accuracy:
        """The accuracy of the subnet on the validation images, shared among processes.

        Calibration is not shared: every process calibrates the same network on the same few images.
        """
        own = shared(self.validation, self.compute.processes.share)
        return evaluate(self.extract(network), self.batches(own, network), compute=self.compute)

    def batches(self, images: Images, network: NetworkSpec) -> Iterable[tuple[Tensor, Tensor]]:
        """Normalised images at the network's resolution, with labels."""
        return batches(
            images,
            batch_size=self.batch_size,
            resolution=network.resolution,
            device=self.compute.device,
            normalize=self.normalize,
            workers=self.workers,
        )
