"""The weight-sharing supernet: one set of weights for every network of a space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.network import CLASSIFIER, NetworkSpec, Place
from nas.nn.block import Block
from nas.nn.capacity import Capacities, key
from nas.nn.drop import NO_DROP, Drop
from nas.nn.layers import set_norm_epsilon
from nas.nn.static import StaticBlock, StaticNetwork, module_name
from nas.space import Architecture, SearchSpace


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
        self.capacities = Capacities.of(space, classes=classes, input_channels=self.input_channels)
        self.blocks = nn.ModuleDict(
            {
                key(place, kind): _block(place, variants, kernel_transform=kernel_transform)
                for (place, kind), variants in self.capacities.variants.items()
            }
        )
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
        for (name, spec), rate in zip(body, rates, strict=False):
            x = self.blocks[name](x, spec, drop=rate)
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
        for target, (name, _) in zip(static.blocks.values(), fitted, strict=True):
            source = self.blocks[name]
            assert isinstance(target, StaticBlock) and isinstance(source, Block)
            target.block.take(source)
        return static.train(self.training)

    def classifier_parameters(self) -> tuple[str, ...]:
        """The names of the classifier's parameters."""
        prefix = f"blocks.{module_name(CLASSIFIER)}_"
        return tuple(name for name, _ in self.named_parameters() if name.startswith(prefix))

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

    def blocks_of(self, network: NetworkSpec) -> tuple[tuple[Place, Block, BlockSpec], ...]:
        """The place, the weights and the specification of each block of a network, the classifier last.

        Raises:
            UserError: If the network does not fit. The message names the stage and the field.
        """
        names = (name for name, _ in self._fitted(network))
        placed = self.adopt(network).placed_blocks
        return tuple(
            (place, self.blocks.get_submodule(name), spec)  # type: ignore[misc]
            for name, (place, spec) in zip(names, placed, strict=True)
        )

    def _fit(self, network: NetworkSpec) -> tuple[tuple[str, BlockSpec], ...]:
        adopted = self.adopt(network)
        self.capacities.check(adopted)
        return tuple((key(place, spec.KIND), spec) for place, spec in adopted.placed_blocks)


def _block(place: Place, variants: Sequence[BlockSpec], *, kernel_transform: bool) -> Block:
    try:
        return Block(variants, kernel_transform=kernel_transform)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
