"""How ``nas finish`` trains its networks, from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.cli.steps.context import Context, prefixed
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.training.final import Method


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
