"""The plan of a table: what to measure, and about how long it takes. Nothing is written yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.hardware import Device, roofline_ms
from nas.latency.plan.entries import KitNetwork
from nas.latency.plan.networks import informative
from nas.latency.plan.probes import Probe, plan_probes
from nas.latency.plan.usage import block_usage
from nas.network import NetworkSpec
from nas.runner.protocol import Protocol
from nas.runner.runtimes import takes_turns
from nas.space import Architecture, SearchSpace
from nas.space.stratified import stratified

_ASSUMED_FLOPS = 2e10  # of an unknown core, only for estimating the measuring time
_LONGEST_WARM_UP_S = 2.0
_CALL_MS = 0.02  # of calling a runtime
_WARM_UP_SAMPLES = 2.5  # before those of a window: determining the runs per sample


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The blocks and networks to measure for a table.

    Attributes:
        space: Name of the search space.
        probes: Chains of blocks.
        networks: Whole networks, for correction and validation.
        blocks: Number of blocks to measure.
        protocol: How to measure them. Its seed also determines the models' weights.
    """

    space: str
    probes: tuple[Probe, ...]
    networks: tuple[KitNetwork, ...]
    blocks: int
    protocol: Protocol

    def expected_s(self, device: Device) -> float:
        """The approximate duration of the minimum rounds, in seconds; an undisturbed machine needs no more.

        The estimate uses the device's peaks, or an assumed core if they are unknown.
        """
        samples = self.protocol.samples
        networks = [e.network.blocks for e in self.networks if isinstance(e.network, NetworkSpec)]
        chains = [_rough_ms(probe.blocks, device) for probe in self.probes]
        if self.protocol.turns > 1 and takes_turns(device.to_dict()):
            window_ms = [(samples + 1) * (rough + _CALL_MS) for rough in chains]
        else:
            window_ms = [self._window_ms(rough) for rough in chains]
        window_ms += [self._window_ms(_rough_ms(each, device)) for each in networks]
        return self.protocol.min_rounds * sum(window_ms) * 1e-3

    def _window_ms(self, run_ms: float) -> float:
        """The duration of a window of a model that takes ``run_ms``."""
        sample_ms = max(self.protocol.sample_ms, run_ms)
        return max(self.protocol.samples * sample_ms, self.protocol.window_ms) + _WARM_UP_SAMPLES * sample_ms

    def about(self, device: Device) -> str:
        """A summary in one line: blocks, networks and measuring time."""
        expected_s, budget_s = self.expected_s(device), self.protocol.budget_s
        head = (
            f"{self.blocks} blocks in {len(self.probes)} chains, and {len(self.networks)} whole networks; "
            f"{self.protocol.min_rounds} rounds take about {minutes(expected_s)} of {minutes(budget_s)}"
        )
        if budget_s >= expected_s:
            return head
        rounds = max(self.protocol.min_rounds * budget_s / expected_s, 1.0)
        return (
            f"{head}. That is too short: everything is measured at least once, {rounds:.1f} times on the "
            f"average; table.budget={np.ceil(expected_s / 60):.0f}m has room for all rounds"
        )


def minutes(seconds: float) -> str:
    """A duration as text, e.g. ``"2.5 min"``."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _rough_ms(blocks: Sequence[BlockSpec], device: Device) -> float:
    if device.precision in dict(device.peak_flops) and device.bandwidth_bytes_per_s is not None:
        return roofline_ms(blocks, device=device)
    return 2e3 * device.batch * sum(block.macs for block in blocks) / _ASSUMED_FLOPS


def plan_table(
    space: SearchSpace,
    *,
    budget_s: float,
    resolutions: Sequence[int] | None = None,
    classes: int = 1000,
    input_channels: int | None = None,
    correction_networks: int = 16,
    validation_networks: int = 16,
    seed: int = 0,
    long_samples: bool = False,
) -> Plan:
    """Plans the measurement of every block of a space.

    Args:
        space: The space.
        budget_s: Seconds of measuring.
        resolutions: Input resolutions; all of the space's by default.
        classes: Outputs of the classifier.
        input_channels: Channels of the image; the space's by default.
        correction_networks: Number of whole networks for fitting the correction; 0 for none.
        validation_networks: Number of whole networks for the table's error; 0 leaves it unknown.
        seed: Seed of the selected networks, the weights and the order of measuring.
        long_samples: Whether each sample starts a program, which favours few long samples.

    Raises:
        UserError: If the space has no such resolution.
    """
    check_resolutions(space, resolutions)
    channels = space.input_channels if input_channels is None else input_channels
    blocks = space.block_specs(resolutions=resolutions, classes=classes, input_channels=channels)
    networks = _choose(
        space,
        {"correction": correction_networks, "validation": validation_networks},
        seed,
        resolutions,
        {"classes": classes, "input_channels": channels},
    )
    usage = block_usage(space, np.random.default_rng(seed), classes=classes, input_channels=channels)
    probes = plan_probes(blocks, input_channels=channels, usage=usage)
    return Plan(
        space=space.name,
        probes=probes,
        networks=tuple(networks),
        blocks=len(blocks),
        protocol=_protocol(budget_s, seed, long_samples=long_samples, turns=turns_of(usage)),
    )


def _protocol(budget_s: float, seed: int, *, long_samples: bool, turns: int) -> Protocol:
    if long_samples:
        return Protocol(
            budget_s=budget_s, seed=seed, sample_ms=50.0, samples=3, window_ms=0, reference_every_s=10.0
        )
    warm_up_s = min(_LONGEST_WARM_UP_S, 0.02 * budget_s)
    return Protocol(budget_s=budget_s, seed=seed, turns=turns, warm_up_s=warm_up_s)


def turns_of(usage: Mapping[str, float]) -> int:
    """Blocks of a typical network. With as many chains in turns, caches are in the state of a network."""
    return max(round(sum(usage.values())), 1)


def check_resolutions(space: SearchSpace, resolutions: Sequence[int] | None) -> None:
    """Raises a ``UserError`` for a resolution that the space lacks, or for no resolution."""
    wrong = sorted(set(resolutions or ()) - set(space.resolutions))
    if wrong or (resolutions is not None and not resolutions):
        raise UserError(
            f"table.resolutions is {list(resolutions or ())}; the space {space.name} has "
            f"{', '.join(map(str, space.resolutions))}, and null stands for all of them"
        )


_PICK: dict[str, Callable[..., list[Architecture]]] = {"correction": informative, "validation": stratified}


def _choose(
    space: SearchSpace,
    counts: Mapping[str, int],
    seed: int,
    resolutions: Sequence[int] | None,
    sizes: Mapping[str, int],
) -> list[KitNetwork]:
    """Disjoint sets of networks: informative ones for correction, a fair sample for validation.

    ``sizes`` are the networks' classes and input channels.
    """
    rng = np.random.default_rng(seed)
    networks: dict[str, KitNetwork] = {}
    for role, count in counts.items():
        picked = _PICK[role](space, count + len(networks), rng, resolutions=resolutions, **sizes)
        fresh = [arch for arch in picked if str(arch) not in networks][:count]
        networks |= {
            str(arch): KitNetwork(f"{role}-{i}", role, space.network(arch, **sizes))
            for i, arch in enumerate(fresh)
        }
    return list(networks.values())
