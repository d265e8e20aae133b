"""The networks that ``nas finish`` trains: winner, family, extremes of the space, baselines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.steps.context import Context
from nas.cli.steps.final import budget
from nas.cli.steps.final import scale as scale_step
from nas.cli.steps.final.baselines import baselines
from nas.cli.steps.supernet import supernet as supernet_step
from nas.errors import UserError
from nas.network import NetworkSpec, read_network, reference_network

if TYPE_CHECKING:
    from nas.pretrained import Located

SCRATCH, SUPERNET, PRETRAINED = "scratch", "supernet", "pretrained"


@dataclass(frozen=True)
class Entry:
    """A network to train.

    Attributes:
        name: Name of the network in tables.
        role: ``winner``, ``control``, ``family``, ``largest``, ``smallest`` or ``baseline``.
        network: The network.
        code: Code of its architecture, if it is a point of the space.
        init: Where its weights come from: ``scratch``, ``supernet`` or ``pretrained``.
    """

    name: str
    role: str
    network: NetworkSpec
    code: str | None = None
    init: str = SCRATCH

    @property
    def file(self) -> str:
        return f"{self.name.replace(' ×', '_x').replace(' ', '_')}.safetensors"


def entries(context: Context) -> Iterator[Entry]:
    """Yields the networks to train and compare, the winner first."""
    config, splits = context.config.finish, context.data.splits
    classes, channels = len(splits.classes), splits.channels
    winner, code = _winner(context)
    winner = replace(winner, classes=classes, input_channels=channels)
    yield Entry("winner", "winner", winner, code, config.init)
    if config.scratch_control and config.init != SCRATCH:
        yield Entry("winner from scratch", "control", winner, code)
    for phi, member in enumerate(_family(context)):
        network = replace(member, classes=classes, input_channels=channels)
        if network != winner:
            yield Entry(f"phi {phi}", "family", network, init=config.init)
    if config.extremes:
        for role, arch in (("largest", context.space.largest()), ("smallest", context.space.smallest())):
            network = context.space.network(arch, classes=classes, input_channels=channels)
            yield Entry(role, role, network, str(arch), config.init)
    for name, network in baselines(context, classes=classes, channels=channels):
        yield Entry(name, "baseline", network, init=_baseline_init(context, network))


def baseline_weights(context: Context) -> Located | None:
    """Returns the published weights of the baseline; ``None`` without, or if they are not to be used.

    A baseline has them if the other networks have inherited weights of others, too.
    """
    config = context.config.finish
    if config.init == SCRATCH or context.config.train.init is None or not config.baseline_widths:
        return None
    from nas.pretrained import locate, pretrained_names

    try:
        named = config.baseline in pretrained_names()
        return locate(config.baseline, store=supernet_step.store(context)) if named else None
    except UserError:
        return None  # not installed or not downloaded, which ``baseline_note`` says


def baseline_note(context: Context) -> str:
    """Says if baselines start from scratch though the other networks do not; empty otherwise."""
    config = context.config.finish
    if config.init == SCRATCH or not config.baseline_widths:
        return ""
    if baseline_weights(context) is None:
        return f"no pretrained weights of {config.baseline} are used: baselines start from scratch"
    narrow = [width for width in config.baseline_widths if width != 1]
    widths = ", ".join(f"×{width:g}" for width in narrow)
    return f"{config.baseline} {widths}: no pretrained weights of this width; from scratch" if narrow else ""


def _baseline_init(context: Context, network: NetworkSpec) -> str:
    """Published weights fit the published width; strides and resolutions have none."""
    published = reference_network(
        context.config.finish.baseline, classes=network.classes, input_channels=network.input_channels
    )
    fits = network.params == published.params
    return PRETRAINED if fits and baseline_weights(context) is not None else SCRATCH


def _winner(context: Context) -> tuple[NetworkSpec, str | None]:
    own = context.config.finish.network
    if own is None:
        network, code = scale_step.read_candidates(context)[budget.candidate(context)]
        return network.network, code
    return read_network(Path(own)), None


def _family(context: Context) -> tuple[NetworkSpec, ...]:
    """Returns the scaled family; a network of the user's own has none."""
    return () if context.config.finish.network is not None else scale_step.read_family(context)
