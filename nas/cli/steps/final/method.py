"""How ``nas finish`` trains its networks, from the configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nas.cli.steps.context import Context, hyperparameters, prefixed
from nas.cli.steps.final.entries import SUPERNET, Entry
from nas.cli.steps.supernet import supernet as supernet_step
from nas.errors import UserError
from nas.report.files import read_csv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nas.training.final import Method
    from nas.training.optimization import Hyperparameters

COMPARED = ("baseline", "control")
"""Roles of networks that see as many images as the winner did, supernet included."""


def method(context: Context) -> Method:
    """Makes the method of training from the configuration.

    Raises:
        UserError: If a value is out of range; the message starts with the setting's full name.
    """
    from nas.quantization import scheme_of
    from nas.training.data import Mix
    from nas.training.final import Method

    config, device = context.config.finish, context.device
    if config.early_stop is not None and config.early_stop < 1:
        raise UserError(
            f"finish.early_stop is {config.early_stop}; give a number of epochs, or null to train for all"
        )
    if config.baseline_epochs is not None and config.baseline_epochs < 1:
        raise UserError(
            f"finish.baseline_epochs is {config.baseline_epochs}; give a number of epochs, or null for "
            "as many as the winner has seen"
        )
    if config.int8_epochs > config.epochs:
        raise UserError(
            f"finish.int8_epochs is {config.int8_epochs}; give at most the {config.epochs} of finish.epochs"
        )
    with prefixed("finish."):
        return Method(
            mix=Mix(mixup=config.mixup, cutmix=config.cutmix),
            patience=config.early_stop or 0,
            int8_epochs=config.int8_epochs,
            int8=scheme_of(runtime=device.runtime, provider=device.provider),
        )


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
