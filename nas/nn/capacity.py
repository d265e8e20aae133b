"""Which networks the weights of a supernet can run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import final

from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.network import NetworkSpec, Place
from nas.nn.static import module_name
from nas.space import SearchSpace

_SIZES = ("in_height", "in_width")
_ELASTIC = ("channels", "kernel")
"""Endings of the fields whose smaller values take a part of the weights."""


@final
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
        limits = {name: max(v) for name, v in sets.items() if name.endswith(_ELASTIC)}  # type: ignore[type-var]
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


def _without_size(spec: BlockSpec) -> tuple[object, ...]:
    """The values of all fields but the size of the map, which decides no weight by itself."""
    return tuple(getattr(spec, field.name) for field in fields(spec) if field.name not in _SIZES)


def fixed_fields(spec: BlockSpec) -> tuple[str, ...]:
    """The fields of a specification that decide what runs, not how many weights."""
    names = (field.name for field in fields(spec))
    return tuple(name for name in names if not name.endswith(_ELASTIC) and name not in _SIZES)


@final
@dataclass(frozen=True)
class Capacities:
    """The specifications that fit the weights of a space's supernet.

    Attributes:
        space: Name of the space.
        variants: For each place and kind, the possible specifications.
        by_key: For each place and kind, what fits.
    """

    space: str
    variants: Mapping[tuple[Place, str], Sequence[BlockSpec]]
    by_key: Mapping[tuple[Place, str], Capacity]

    @classmethod
    def of(cls, space: SearchSpace, *, classes: int, input_channels: int) -> Capacities:
        """The capacities of a space, at all of its resolutions: a window or a table depends on the map."""
        variants: dict[tuple[Place, str], dict[tuple[object, ...], BlockSpec]] = {}
        for resolution in sorted(space.resolutions, reverse=True):
            places = space.blocks_by_place(
                resolutions=(resolution,), classes=classes, input_channels=input_channels
            )
            for place, specs in places.items():
                for spec in specs:
                    variants.setdefault((place, spec.KIND), {}).setdefault(_without_size(spec), spec)
        listed = {key: tuple(specs.values()) for key, specs in variants.items()}
        return cls(space.name, listed, {key: Capacity.of(specs) for key, specs in listed.items()})

    def check(self, network: NetworkSpec) -> None:
        """Raises a ``UserError`` that names the first place and field of a network that does not fit."""
        for place, spec in network.placed_blocks:
            if (place, spec.KIND) not in self.by_key:
                kinds = ", ".join(kind for other, kind in self.by_key if other == place) or "nothing"
                raise UserError(
                    f"{place}: {self.space} has no {spec.KIND} there; the supernet has {kinds} there"
                )
            self.by_key[place, spec.KIND].check(spec, place)


def key(place: Place, kind: str) -> str:
    """The name of the module of a kind at a place, e.g. ``stages_2_0_inverted_residual``."""
    return f"{module_name(place)}_{kind}"
