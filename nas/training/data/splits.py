"""Training, search-validation and test: disjoint, stratified, decided by the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.training.data.images import Images


@dataclass(frozen=True, eq=False, kw_only=True)
class Splits:
    """A data set, split once.

    Attributes:
        train: What weights are fitted to.
        validation: What the search and every calibration may look at beside ``train``.
        test: What the final evaluation reads, once.
        classes: Names, by label.
        channels: 1 (grey) or 3 (RGB).
        notes: Sentences that the user should read, such as which classes have no test images.
    """

    train: Images
    validation: Images
    test: Images
    classes: tuple[str, ...]
    channels: int
    notes: tuple[str, ...] = ()


MOST_LISTED = 5


def listed(names: Sequence[str]) -> str:
    """The first few names as text, and how many more there are."""
    rest = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def absence_notes(*, validation: Images, test: Images, classes: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each part without images of some classes."""
    parts = {
        "search-validation": (validation, "the search does not see how well they are classified"),
        "test": (test, "the test accuracy says nothing about them"),
    }
    notes = []
    for name, (images, consequence) in parts.items():
        counts = torch.bincount(images.labels, minlength=len(classes)).tolist()
        if absent := [label for label, count in zip(classes, counts, strict=True) if not count]:
            notes.append(f"no {name} images of {listed(absent)}: {consequence}")
    return tuple(notes)


def stratified(labels: Tensor, *, taken: int, seed: int, purpose: str) -> tuple[Tensor, Tensor]:
    """Splits positions in two, each class in proportion.

    A class gives its share of ``taken`` to within one image (largest remainders), and always keeps one image.

    Args:
        labels: Class indices (N,), int64.
        taken: Images to take.
        seed: Decides which.
        purpose: A word that makes this split independent of other splits with the same seed.

    Returns:
        The positions kept and those taken, each in random order, so that any prefix is a fair sample.
    """
    rng = np.random.default_rng([seed, *purpose.encode()])
    order = rng.permutation(len(labels))
    kinds = labels.cpu().numpy()[order]
    counts = _shares(np.bincount(kinds), taken)
    rank = np.empty(len(order), dtype=np.int64)  # of an image within its class, in random order
    for kind in range(len(counts)):
        members = np.flatnonzero(kinds == kind)
        rank[members] = np.arange(len(members))
    chosen = rank < counts[kinds]
    # Shuffled anew: in `order` the classes run out one after the other, so its prefixes would be lopsided.
    kept, given = rng.permutation(order[~chosen]), rng.permutation(order[chosen])
    return torch.from_numpy(kept), torch.from_numpy(given)


def _shares(sizes: NDArray[np.int64], taken: int) -> NDArray[np.int64]:
    """How many to take from classes of ``sizes``: largest remainders, leaving at least one of each class."""
    room = np.maximum(sizes - 1, 0)
    taken = min(taken, int(room.sum()))
    quotas = sizes * (taken / max(1, int(sizes.sum())))
    counts: NDArray[np.int64] = np.minimum(np.floor(quotas).astype(np.int64), room)
    by_remainder = np.argsort(counts - quotas, kind="stable")
    while (missing := taken - int(counts.sum())) > 0:
        open_classes = by_remainder[counts[by_remainder] < room[by_remainder]]
        counts[open_classes[:missing]] += 1
    return counts
