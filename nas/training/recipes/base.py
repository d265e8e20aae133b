"""The interface of recipes, the supernet that they train, and their registry."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, final

import numpy as np
import torch
from torch import Tensor

from nas.errors import UserError, unknown
from nas.nn import NO_DROP, Drop, Supernet
from nas.registry import Registry
from nas.space import Architecture, SearchSpace
from nas.training.data import resize
from nas.training.distillation import LossOf, label_loss
from nas.training.optimization import Compute, Pass, StepResult, at_least_float32


@final
@dataclass(frozen=True, kw_only=True)
class Trainee:
    """A supernet in training, and the methods by which recipes run its subnets.

    Attributes:
        supernet: The supernet.
        compute: Device and precision.
        rng: The only random generator of recipes, equal in all processes.
        label_smoothing: Smoothing of losses on labels.
        class_weights: Factor on the loss of each class, (classes,); ``None`` for equal ones.
    """

    supernet: Supernet
    compute: Compute
    rng: np.random.Generator
    label_smoothing: float
    class_weights: Tensor | None = None

    @property
    def space(self) -> SearchSpace:
        return self.supernet.space

    def labels(self, y: Tensor) -> LossOf:
        """The cross-entropy with labels (N,)."""
        return partial(label_loss, y=y, smoothing=self.label_smoothing, class_weights=self.class_weights)

    def forward(self, arch: Architecture, x: Tensor, *, drop: Drop = NO_DROP) -> Tensor:
        """Logits (N, classes), float32 or more, of images (N, C, H, W) resized to the subnet's resolution."""
        network = self.supernet.network(arch)
        with self.compute.context():
            logits: Tensor = self.supernet(resize(x, network.resolution), network, drop=drop)
        return at_least_float32(logits)

    @torch.no_grad()
    def judge(self, archs: Sequence[Architecture], x: Tensor, loss_of: LossOf) -> Tensor:
        """The losses (n,) of subnets on images (N, C, H, W) of all processes, without gradients."""
        losses = torch.stack([loss_of(self.forward(arch, x)) for arch in archs])
        return self.compute.processes.total(losses)

    def learn(
        self, arch: Architecture, x: Tensor, *, name: str, loss_of: LossOf, drop: Drop = NO_DROP
    ) -> tuple[Tensor, Pass]:
        """Runs a subnet forward and backward, which adds to the gradients.

        Args:
            arch: The subnet.
            x: Images (N, C, H, W).
            name: The loss's name in the history.
            loss_of: The loss.
            drop: Dropout and dropped branches.

        Returns:
            Detached logits (N, classes), and the pass.
        """
        logits = self.forward(arch, x, drop=drop)
        loss = loss_of(logits)
        loss.backward()  # type: ignore[no-untyped-call]
        return logits.detach(), Pass(name=name, network=str(arch), loss=loss.detach())


class Rule(Protocol):
    """Runs forward and backward for one batch.

    Its only state between steps is that of ``rng``, so that a killed training can be resumed.
    """

    def backward(self, x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        """Adds the gradients of one batch.

        Args:
            x: Images (N, C, H, W) of the space's largest resolution.
            y: Labels (N,).
            progress: The completed share of the training, 0 to 1.
        """


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """The settings of a recipe as a frozen dataclass. Its fields are its options.

    A new recipe is a new file in this folder with a registered subclass. ``nas train`` passes the settings in
    ``train`` with the names of its fields.
    """

    NAME: ClassVar[str]

    @abstractmethod
    def build(self, trainee: Trainee) -> Rule:
        """The rule that trains this supernet. It is determined by the supernet and ``rng``."""


_RECIPES: Registry[type[Recipe]] = Registry("training recipe", package="nas.training.recipes")
register = _RECIPES.register
"""Class decorator that registers a recipe under its ``NAME``."""


def recipe_names() -> tuple[str, ...]:
    """The names of all registered recipes."""
    return _RECIPES.names()


def option_names(name: str) -> tuple[str, ...]:
    """The options of a recipe.

    Raises:
        UserError: If the name is unknown.
    """
    return tuple(field.name for field in dataclasses.fields(_RECIPES.find(name)))


def make_recipe(name: str, options: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe by its name.

    Args:
        name: A registered name.
        options: Values of its fields; others keep their defaults.

    Raises:
        UserError: If the name or an option is unknown, or a value does not fit.
    """
    allowed = option_names(name)
    for option in options or {}:
        if option not in allowed:
            raise unknown(f"option of training recipe {name}", option, allowed)
    return _RECIPES.find(name)(**dict(options or {}))


def check_at_least(recipe: Recipe, option: str, value: object, least: int) -> None:
    """Checks that an option is a whole number of at least ``least``.

    Raises:
        UserError: If it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(
            f"{option} of training recipe {recipe.NAME} is {value!r}; "
            f"it must be a whole number of at least {least}"
        )
