"""The weight-sharing supernet: one set of weights for every network of a space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.network import NetworkSpec, Place
from nas.nn.block import Block
from nas.nn.drop import NO_DROP, Drop
from nas.nn.layers import set_norm_epsilon
from nas.nn.static import StaticBlock, StaticNetwork, module_name
from nas.space import Architecture, SearchSpace

_SIZES = ("in_height", "in_width")


@dataclass(frozen=True)
class Capacity:
    """The specifications that fit the weights of one kind at one place.

    Attributes:
        limits: The largest value of elastic fields, by name.
        values: The values of all other fields, by name.
    """

    limits: dict[str, int]
    values: dict[str, frozenset[object]]

    @classmethod
    def of(cls, specs: Iterable[BlockSpec]) -> Capacity:
        """The capacity that covers all of ``specs``."""
        sets: dict[str, set[object]] = {}
        for spec in specs:
            for field in fields(spec):
                sets.setdefault(field.name, set()).add(getattr(spec, field.name))
        limits = {name: max(v) for name, v in sets.items() if name.endswith(("channels", "kernel"))}  # type: ignore[type-var]
        values = {name: frozenset(v) for name, v in sets.items() if name not in limits and name not in _SIZES}
        return cls(limits, values)  # type: ignore[arg-type]

    def check(self, spec: BlockSpec, place: Place) -> None:
        """Raises a ``UserError`` that names place and field if ``spec`` does not fit."""
        for name, limit in self.limits.items():
            if getattr(spec, name) > limit:
                raise UserError(f"{place}: {name} {getattr(spec, name)} exceeds the supernet's {limit}")
        for name, allowed in self.values.items():
            if getattr(spec, name) not in allowed:
                offered = ", ".join(sorted(map(str, allowed)))
                raise UserError(f"{place}: {name} is {getattr(spec, name)}; the supernet has {offered}")


class Supernet(nn.Module):
    """Shared weights for a search space. The subnet to run is an argument, never a state.

    Args:
        space: The search space.
        classes: Outputs of the classifier.
        input_channels: Channels of the images; those of the space by default.
        kernel_transform: Whether smaller kernels are learned functions of larger ones, not their centres.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        classes: int,
        input_channels: int | None = None,
        kernel_transform: bool = False,
    ) -> None:
        super().__init__()
        self.space = space
        self.classes = classes
        self.input_channels = space.input_channels if input_channels is None else input_channels
        self.blocks = nn.ModuleDict()
        self._capacity: dict[str, Capacity] = {}
        largest = (max(space.resolutions),)
        places = space.blocks_by_place(
            resolutions=largest, classes=classes, input_channels=self.input_channels
        )
        for place, specs in places.items():
            for kind in dict.fromkeys(spec.KIND for spec in specs):
                variants = [spec for spec in specs if kind == spec.KIND]
                self.blocks[_key(place, kind)] = _block(place, variants, kernel_transform=kernel_transform)
                self._capacity[_key(place, kind)] = Capacity.of(variants)
        set_norm_epsilon(self, space.norm_epsilon)
        self.kernel_transform = kernel_transform
        self._fitted = lru_cache(maxsize=4096)(self._fit)
        self._networks = lru_cache(maxsize=4096)(self._network)

    def forward(self, x: Tensor, network: NetworkSpec, *, drop: Drop = NO_DROP) -> Tensor:
        """Runs one subnet.

        Args:
            x: Images (N, C, H, W), of the network's resolution.
            network: A network of the space; its classes and input channels are ignored.
            drop: Dropout and dropped branches, in training mode.

        Returns:
            Logits (N, classes).

        Raises:
            UserError: If the network does not fit. The message names the stage and the field.
        """
        *body, (classifier, last) = self._fitted(network)
        rates = drop.rates(network) if drop.connect else repeat(0.0)
        for (key, spec), rate in zip(body, rates, strict=False):
            x = self.blocks[key](x, spec, drop=rate)
        x = F.dropout(x, drop.dropout, self.training)
        return self.blocks[classifier](x, last).flatten(1)  # type: ignore[no-any-return]

    @torch.no_grad()
    def extract(self, network: NetworkSpec) -> StaticNetwork:
        """Copies a subnet to a static module with its own weights, on the same device and in the same layout.

        Raises:
            UserError: If the network does not fit. The message names the stage and the field.
        """
        fitted = self._fitted(network)
        parameter = next(self.parameters())
        static = StaticNetwork(self.adopt(network)).to(parameter.device, parameter.dtype)
        if any(p.ndim == 4 and not p.is_contiguous() for p in self.parameters()):
            static = static.to(memory_format=torch.channels_last)
        for target, (key, _) in zip(static.blocks.values(), fitted, strict=True):
            source = self.blocks[key]
            assert isinstance(target, StaticBlock) and isinstance(source, Block)
            target.block.take(source)
        return static.train(self.training)

    def network(self, arch: Architecture) -> NetworkSpec:
        """The network of an architecture, with the supernet's classes and input channels.

        Raises:
            UserError: If the architecture is not part of the space. The message names the choice.
        """
        return self._networks(arch)

    def _network(self, arch: Architecture) -> NetworkSpec:
        return self.space.network(arch, classes=self.classes, input_channels=self.input_channels)

    def adopt(self, network: NetworkSpec) -> NetworkSpec:
        """The network with the supernet's classes, input channels and BatchNorm epsilon."""
        own = (self.classes, self.input_channels, self.space.norm_epsilon)
        if (network.classes, network.input_channels, network.norm_epsilon) == own:
            return network
        classes, channels, epsilon = own
        return replace(network, classes=classes, input_channels=channels, norm_epsilon=epsilon)

    def _fit(self, network: NetworkSpec) -> tuple[tuple[str, BlockSpec], ...]:
        placed = self.adopt(network).placed_blocks
        for place, spec in placed:
            key = _key(place, spec.KIND)
            if key not in self._capacity:
                raise UserError(
                    f"{place}: {self.space.name} has no {spec.KIND} there; {self._offered(place)}"
                )
            self._capacity[key].check(spec, place)
        return tuple((_key(place, spec.KIND), spec) for place, spec in placed)

    def _offered(self, place: Place) -> str:
        prefix = module_name(place) + "_"
        kinds = [key.removeprefix(prefix) for key in self._capacity if key.startswith(prefix)]
        return f"the supernet has {', '.join(kinds) or 'nothing'} there"


def _block(place: Place, variants: list[BlockSpec], *, kernel_transform: bool) -> Block:
    try:
        return Block(variants, kernel_transform=kernel_transform)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


def _key(place: Place, kind: str) -> str:
    return f"{module_name(place)}_{kind}"
