"""How long each network of the comparison is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.final.entries import SUPERNET, Entry
from nas.cli.steps.supernet import supernet as supernet_step
from nas.files import read_csv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nas.training.optimization import Hyperparameters

COMPARED = ("baseline", "control")
"""Roles of networks that see as many images as the winner did, supernet included."""


def hyper(context: Context, entry: Entry) -> Hyperparameters:
    """The hyperparameters of a network's training."""
    return replace(hyperparameters(context.config.finish), epochs=epochs(context, entry))


def epochs(context: Context, entry: Entry) -> int:
    """The epochs of a network's training.

    A winner with the supernet's weights has seen the images in the supernet's training, too. Without as many
    epochs of their own, the networks that it is compared with would be handicapped.
    """
    config = context.config.finish
    if entry.role not in COMPARED:
        return config.epochs
    if config.baseline_epochs is not None:
        return config.baseline_epochs
    if config.init != SUPERNET:
        return config.epochs
    return config.epochs + len(read_csv(context.path(supernet_step.FOLDER, supernet_step.HISTORY)))


def epochs_in_words(context: Context, trained: Sequence[Entry]) -> str:
    """Says for how many epochs networks were trained."""
    limit = "" if context.config.finish.early_stop is None else "up to "
    numbers = sorted({epochs(context, entry) for entry in trained})
    return f"{limit}{' or '.join(map(str, numbers))} epochs"
