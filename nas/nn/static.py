"""A network as an ordinary module of fixed size, for training and export."""

from __future__ import annotations

from torch import Tensor, nn

from nas.blocks import BlockSpec
from nas.network import NetworkSpec, Place
from nas.nn.block import Block
from nas.nn.layers import set_norm_epsilon


def module_name(place: Place) -> str:
    """The name of a place's module, e.g. ``stages_2_0``."""
    return "_".join(str(part) for part in _parts(place))


def _parts(place: Place) -> tuple[str | int, ...]:
    if place.section == "classifier":
        return ("classifier",)
    return (
        (place.section, place.stage, place.index)
        if place.section == "stages"
        else (place.section, place.index)
    )


class StaticBlock(nn.Module):
    """A block with a single specification."""

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.spec = spec
        self.block = Block([spec])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        return self.block(x, self.spec)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return self.spec.key


class StaticNetwork(nn.Module):
    """A network of fixed size, built from its specification.

    Attributes:
        network: The specification.
        blocks: One module for each block, in order, the classifier last.
    """

    def __init__(self, network: NetworkSpec) -> None:
        super().__init__()
        self.network = network
        self.blocks = nn.ModuleDict(
            {module_name(place): StaticBlock(spec) for place, spec in network.placed_blocks}
        )
        set_norm_epsilon(self, network.norm_epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        for block in self.blocks.values():
            x = block(x)
        return x.flatten(1)
