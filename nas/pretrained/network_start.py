"""A supernet's start from a single pretrained network."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from nas.network import NetworkSpec
from nas.nn import StaticNetwork, Supernet
from nas.pretrained.base import Inherited, Pretrained, Start
from nas.pretrained.fitting import convert_input, take_epsilon, take_network
from nas.pretrained.holding import check_holds
from nas.pretrained.sorting import sort_channels
from nas.space import SearchSpace


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkStart(Start):
    """The weights of one network, which the largest network of a space holds.

    Attributes:
        pretrained: The network.
    """

    pretrained: Pretrained

    @classmethod
    def of(cls, pretrained: Pretrained) -> NetworkStart:
        """The start from a network."""
        return cls(
            origin=pretrained.origin,
            preprocessing=pretrained.preprocessing,
            classes=pretrained.classes,
            pretrained=pretrained,
        )

    def check(self, space: SearchSpace) -> None:
        check_holds(space, self.pretrained.network, name=self.origin.name)

    def apply(
        self, supernet: Supernet, *, classes: Sequence[str], images: Iterable[Tensor] = ()
    ) -> Inherited:
        self.check(supernet.space)
        model = convert_input(copy.deepcopy(self.pretrained.model), supernet.input_channels)
        sort_channels(model, images)
        is_same = self.has(classes)
        taken = take_network(supernet, model, classifier=is_same)
        return Inherited(
            origin=self.origin,
            names=frozenset(taken.elements),
            share=sum(taken.elements.values()) / sum(p.numel() for p in supernet.parameters()),
            classifier=is_same,
            notes=tuple(taken.notes),
        )

    def adapted(self, network: NetworkSpec) -> StaticNetwork:
        """A copy of the module for the input channels and the BatchNorm epsilon of another network."""
        model = convert_input(copy.deepcopy(self.pretrained.model), network.input_channels)
        take_epsilon(model, network.norm_epsilon)
        return model

    def has(self, classes: Sequence[str]) -> bool:
        """Whether the network was trained for these classes; without names, for as many."""
        own = self.pretrained
        return list(own.classes) == list(classes) if own.classes else own.network.classes == len(classes)
