"""What a sampler is, and the registry of samplers."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from nas.errors import UserError, unknown
from nas.registry import Registry

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from nas.search.goals.goals import Goals
    from nas.search.goals.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Sampler(ABC):
    """The settings of a sampler, as a frozen dataclass; its fields are its options.

    A new sampler is a new file in this folder with a registered subclass.
    """

    NAME: ClassVar[str]

    @abstractmethod
    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        """Optuna's sampler for a problem.

        It is built anew for every proposal, with a seed of its own. Equal seeds must propose equal points for
        equal studies: all that a sampler knows stands in the study, so that a search which was killed can go
        on.

        Args:
            problem: The space, and what its networks read and tell apart.
            goals: Objectives, then limits, in the order of the values; predicted ones can be had for any
                network.
            seed: Seed of the proposal that is asked for next.
        """


_SAMPLERS: Registry[type[Sampler]] = Registry(
    "sampler", package="nas.search.samplers", replaced=MappingProxyType({"evolution": "nsga2"})
)
register = _SAMPLERS.register
"""Class decorator that makes a sampler known by its ``NAME``."""


def sampler_names() -> tuple[str, ...]:
    """The names of all registered samplers."""
    return _SAMPLERS.names()


def make_sampler(name: str, options: Mapping[str, Any] | None = None) -> Sampler:
    """A sampler by its name.

    Args:
        name: A registered name.
        options: Values for its fields; those left out keep their defaults.

    Raises:
        UserError: If the name or an option is unknown, or a value does not fit.
    """
    cls = _SAMPLERS.find(name)
    allowed = {field.name for field in dataclasses.fields(cls)}
    for option in options or {}:
        if option not in allowed:
            raise unknown(f"option of sampler {name}", option, allowed)
    return cls(**dict(options or {}))


def check_at_least(sampler: Sampler, option: str, value: object, least: int) -> None:
    """Checks a whole number.

    Raises:
        UserError: If it is not one, or too small.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(
            f"{option} of sampler {sampler.NAME} is {value!r}; it must be a whole number of at least {least}"
        )
