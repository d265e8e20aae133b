"""Training, search-validation and test images: disjoint, stratified, determined by the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.statistics import ENOUGH_IMAGES
from nas.training.data.images import Images, MemoryImages


@dataclass(frozen=True, eq=False, kw_only=True)
class Splits:
    """A split data set.

    Attributes:
        train: Images for fitting weights.
        validation: Images for the search and for calibration, besides ``train``.
        test: Images for the final evaluation, which reads them once.
        classes: Names by label.
        channels: 1 (grey) or 3 (RGB).
        notes: Notes for the user, such as the classes without test images.
        crop_fraction: Side of the centre square that is evaluated, as a fraction of the shorter side.
        drawn: Which of ``"validation"`` and ``"test"`` were drawn from the data set's training images.
    """

    train: Images
    validation: Images
    test: Images
    classes: tuple[str, ...]
    channels: int
    notes: tuple[str, ...] = ()
    crop_fraction: float = 1.0
    drawn: tuple[str, ...] = ()

    @property
    def store_size(self) -> int | None:
        """Side in pixels of the images in memory; ``None`` for images on disk."""
        return self.test.pixels.shape[-1] if isinstance(self.test, MemoryImages) else None


BALANCED = "balanced"
"""The weighting that gives each class the same total weight."""

MOST_LISTED = 5


def listed(names: Sequence[str]) -> str:
    """The first few names as text, and the number of others."""
    rest = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def validation_count(images: int) -> int:
    """The number of search-validation images to draw from training images, if no share is given.

    A tenth of many. Of few, as many as hold the standard error of an accuracy at 2 points, once for the
    search and once to evaluate its winners again, but at most a quarter: training needs images, too.
    """
    return max(1, round(min(max(2 * ENOUGH_IMAGES, images / 10), images / 4)))


def absence_notes(
    *, train: Images, validation: Images, test: Images, classes: Sequence[str], drawn: Sequence[str]
) -> tuple[str, ...]:
    """One note for each part that lacks images of some classes.

    Args:
        train: Training images.
        validation: Search-validation images.
        test: Test images.
        classes: Names by label.
        drawn: See ``Splits``; a drawn part lacks a class only if there are too few images of it.
    """
    parts = {"validation": validation, "test": test}
    pool = sum((_counts(parts[name], classes) for name in drawn), _counts(train, classes))
    consequences = {
        "validation": "search-validation images of {}: the search does not see how well they are classified",
        "test": "test images of {}: the test accuracy says nothing about them",
    }
    notes = []
    for name, images in parts.items():
        absent = torch.nonzero(_counts(images, classes) == 0).flatten().tolist()
        sizes = [f" ({pool[label]} in all)" if name in drawn else "" for label in absent]
        if names := [classes[label] + size for label, size in zip(absent, sizes, strict=True)]:
            notes.append(f"no {consequences[name].format(listed(names))}")
    return tuple(notes)


def _counts(images: Images, classes: Sequence[str]) -> Tensor:
    """The number of images of each class, (classes,)."""
    return torch.bincount(images.labels, minlength=len(classes))


def stratified(labels: Tensor, *, taken: int, seed: int, purpose: str) -> tuple[Tensor, Tensor]:
    """Splits positions in two, with each class in proportion.

    Each class gives its share of ``taken`` to within one image (largest remainders) and keeps at least one.
    If ``taken`` suffices for all, each class with two or more images gives at least one; the largest ones
    give less.

    Args:
        labels: Class indices (N,), int64.
        taken: Number of images to take.
        seed: Determines the images.
        purpose: A word that makes the split independent of others with the same seed.

    Returns:
        The remaining and the taken positions, each in random order, so that any prefix is a fair sample.
    """
    rng = np.random.default_rng([seed, *purpose.encode()])
    order = rng.permutation(len(labels))
    kinds = labels.cpu().numpy()[order]
    counts = _shares(np.bincount(kinds), taken)
    rank = np.empty(len(order), dtype=np.int64)  # of an image within its class, in random order
    for kind in range(len(counts)):
        members = np.flatnonzero(kinds == kind)
        rank[members] = np.arange(len(members))
    is_taken = rank < counts[kinds]
    # Shuffled again: in `order`, classes run out one after the other, so its prefixes would be unbalanced.
    remaining, removed = rng.permutation(order[~is_taken]), rng.permutation(order[is_taken])
    return torch.from_numpy(remaining), torch.from_numpy(removed)


def _shares(sizes: NDArray[np.int64], taken: int) -> NDArray[np.int64]:
    """Numbers to take from classes of ``sizes``, by largest remainders, leaving at least one per class."""
    room = np.maximum(sizes - 1, 0)
    taken = min(taken, int(room.sum()))
    quotas = sizes * (taken / max(1, int(sizes.sum())))
    counts: NDArray[np.int64] = np.minimum(np.floor(quotas).astype(np.int64), room)
    by_remainder = np.argsort(counts - quotas, kind="stable")
    while (missing := taken - int(counts.sum())) > 0:
        open_classes = by_remainder[counts[by_remainder] < room[by_remainder]]
        counts[open_classes[:missing]] += 1
    absent = np.flatnonzero((counts == 0) & (room > 0))
    if taken >= np.count_nonzero(room):
        for label in absent:
            counts[np.argmax(counts)] -= 1
            counts[label] = 1
    return counts


def balanced_weights(labels: Tensor, *, classes: int) -> Tensor:
    """Weights by which each class has the same share of the loss, whatever its number of images.

    Args:
        labels: The labels of all training images, (N,).
        classes: Number of classes.

    Returns:
        One weight for each class, (classes,), float32; their mean over the images is 1. A class without
        images has 0.
    """
    counts = torch.bincount(labels, minlength=classes)
    present = counts > 0
    weights = len(labels) / (int(present.sum()) * counts.clamp(min=1))
    return weights * present
