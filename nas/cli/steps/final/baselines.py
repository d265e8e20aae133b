"""The reference networks that are trained for comparison."""

from __future__ import annotations

from collections.abc import Iterator

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.errors import UserError
from nas.network import NetworkSpec, reference_network
from nas.network.strides import last_side, total_stride, with_fewer_strides


def baseline_resolutions(context: Context) -> tuple[int, ...]:
    """Returns the resolutions of the baselines in pixels."""
    config, ours = context.config.finish, context.space.resolutions
    if config.baseline_resolutions is not None:
        return tuple(dict.fromkeys(config.baseline_resolutions))
    if config.baseline_resolution is not None:  # deprecated
        return (config.baseline_resolution,)
    return tuple(dict.fromkeys((min(ours), max(ours))))


def baselines(
    context: Context, *, classes: int = 1000, channels: int = 3
) -> Iterator[tuple[str, NetworkSpec]]:
    """Yields the baseline's name and network at each resolution and width."""
    config, resolutions = context.config.finish, baseline_resolutions(context)
    for resolution in resolutions:
        for width in config.baseline_widths:
            published = reference_network(
                config.baseline, resolution=resolution, width=width, classes=classes, input_channels=channels
            )
            suffix = f" r{resolution}" if len(resolutions) > 1 else ""
            name = f"{config.baseline} ×{width:g}{suffix}"
            yield name, with_fewer_strides(published, largest=config.baseline_stride)


def changed_strides(context: Context) -> list[str]:
    """Says at which resolutions the baseline has fewer strides than it was published with."""
    config = context.config.finish
    published = total_stride(reference_network(config.baseline))
    own = {network.resolution: network for _, network in baselines(context)}
    return [
        f"{config.baseline} shrinks images of {resolution} pixels by {total_stride(network)}, not by "
        f"{published}; {last_side(network)} pixels a side remain (finish.baseline_stride)"
        for resolution, network in own.items()
        if total_stride(network) != published
    ]


def check_baselines(context: Context) -> None:
    """Checks the settings of the baselines, and makes their networks.

    Raises:
        UserError: If a value is out of range, or a network does not fit its resolution.
    """
    config = context.config.finish
    single, several = config.baseline_resolution, config.baseline_resolutions
    if single is not None and several is not None:
        raise UserError(
            "finish.baseline_resolution and finish.baseline_resolutions are both set; leave out the first, "
            "which is deprecated"
        )
    if several == []:
        raise UserError(
            "finish.baseline_resolutions is []; give numbers of pixels, or null for the space's smallest and "
            "largest. finish.baseline_widths=[] trains no baselines"
        )
    if single is not None and single < 1:
        raise UserError(f"finish.baseline_resolution is {single}; give a number of pixels")
    if several is not None and min(several) < 1:
        raise UserError(f"finish.baseline_resolutions is {several}; give numbers of pixels")
    if config.baseline_epochs is not None and config.baseline_epochs < 1:
        raise UserError(
            f"finish.baseline_epochs is {config.baseline_epochs}; give a number of epochs, or null for "
            "as many as the winner has seen"
        )
    if config.baseline_stride is not None and config.baseline_stride < 1:
        raise UserError(f"finish.baseline_stride is {config.baseline_stride}; give at least 1, or null")
    if single is not None:
        say(
            f"warning: finish.baseline_resolution is deprecated; use finish.baseline_resolutions=[{single}]. "
            "Version 0.4.0 removes it"
        )
    list(baselines(context))  # making a network checks it
