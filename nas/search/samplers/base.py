"""The interface of samplers, and their registry."""

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

        A new sampler is built for each proposal, with its own seed. Equal seeds must propose equal points for
        equal studies: the study holds all state, so that a killed search can resume.

        Args:
            problem: The space, with the classes and input channels of its networks.
            goals: Objectives, then limits, in the order of the values. Predicted ones can be computed for any
                network.
            seed: Seed of the next proposal.
        """


_SAMPLERS: Registry[type[Sampler]] = Registry(
    "sampler", package="nas.search.samplers", replaced=MappingProxyType({"evolution": "nsga2"})
)
register = _SAMPLERS.register
"""Class decorator that registers a sampler under its ``NAME``."""


def sampler_names() -> tuple[str, ...]:
    """Returns the names of all registered samplers."""
    return _SAMPLERS.names()


def make_sampler(name: str, options: Mapping[str, Any] | None = None) -> Sampler:
    """Makes a sampler by its name.

    Args:
        name: A registered name.
        options: Values of its fields; omitted fields keep their defaults.

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
        UserError: If it is no whole number, or too small.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(
            f"{option} of sampler {sampler.NAME} is {value!r}; it must be a whole number of at least {least}"
        )
