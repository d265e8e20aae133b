"""How ``nas finish`` trains its networks, from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.cli.steps.context import prefixed
from nas.config import FinishConfig
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.training.final import Method


def method(config: FinishConfig) -> Method:
    """Makes the method of training from the configuration.

    Raises:
        UserError: If a value is out of range; the message starts with the setting's full name.
    """
    from nas.training.data import Mix
    from nas.training.final import Method

    if config.early_stop is not None and config.early_stop < 1:
        raise UserError(
            f"finish.early_stop is {config.early_stop}; give a number of epochs, or null to train for all"
        )
    with prefixed("finish."):
        return Method(mix=Mix(mixup=config.mixup, cutmix=config.cutmix), patience=config.early_stop or 0)


def epochs_in_words(config: FinishConfig) -> str:
    """Says for how many epochs a network is trained."""
    return f"{config.epochs} epochs" if config.early_stop is None else f"up to {config.epochs} epochs"
