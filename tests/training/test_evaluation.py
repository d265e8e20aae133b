"""Counting correct answers, together and for each class."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from nas.training.evaluation import Accuracy, calibrate, evaluate
from nas.training.optimization import Compute


def test_the_counts_of_the_classes_add_up_and_an_absent_class_has_none() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=rng)
    labels = torch.randint(0, 3, (50,), generator=rng)  # none is of the last class
    batches = [(logits[:32], labels[:32]), (logits[32:], labels[32:])]
    compute = Compute.choose("cpu", "none")
    found = evaluate(torch.nn.Identity(), batches, compute=compute, classes=4)
    right = logits.argmax(1) == labels
    assert found.by_class == tuple(
        (int((right & (labels == kind)).sum()), int((labels == kind).sum())) for kind in range(4)
    )
    assert found.by_class[3] == (0, 0)
    confused = {(int(y), int(x)) for y, x in zip(labels, logits.argmax(1), strict=True) if y != x}
    assert {(label, answer) for label, answer, _ in found.confusions} == confused
    for label, answer, images in found.confusions:
        assert images == int(((labels == label) & (logits.argmax(1) == answer)).sum())
    counts = [images for *_, images in found.confusions]
    assert counts == sorted(counts, reverse=True)
    together = evaluate(torch.nn.Identity(), batches, compute=compute)
    assert together == Accuracy(int(right.sum()), 50) == Accuracy(found.correct, found.total)


def test_a_network_without_batch_norm_is_calibrated_without_an_image() -> None:
    def no_images() -> Iterator[torch.Tensor]:
        raise AssertionError("an image was read")
        yield torch.zeros(1, 3, 8, 8)

    calibrate(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.LayerNorm(8)), no_images())
    with pytest.raises(AssertionError, match="an image was read"):
        calibrate(torch.nn.Sequential(torch.nn.BatchNorm2d(3)), no_images())
