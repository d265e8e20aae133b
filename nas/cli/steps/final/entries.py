"""The networks that ``nas finish`` trains: winner, family, extremes of the space, baselines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nas.cli.steps.context import Context
from nas.cli.steps.final import budget
from nas.cli.steps.final import scale as scale_step
from nas.cli.steps.final.baselines import baselines
from nas.network import NetworkSpec, read_network

SCRATCH, SUPERNET = "scratch", "supernet"


@dataclass(frozen=True)
class Entry:
    """A network to train.

    Attributes:
        name: Name of the network in tables.
        role: ``winner``, ``control``, ``family``, ``largest``, ``smallest`` or ``baseline``.
        network: The network.
        code: Code of its architecture, if it is a point of the space.
        init: Where its weights come from: ``scratch`` or ``supernet``.
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
        yield Entry(name, "baseline", network)


def _winner(context: Context) -> tuple[NetworkSpec, str | None]:
    own = context.config.finish.network
    if own is None:
        network, code = scale_step.read_candidates(context)[budget.candidate(context)]
        return network.network, code
    return read_network(Path(own)), None


def _family(context: Context) -> tuple[NetworkSpec, ...]:
    """Returns the scaled family; a network of the user's own has none."""
    return () if context.config.finish.network is not None else scale_step.read_family(context)
