"""Collects the lines of a PyTorch module that is written as code."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from nas.blocks import MissingFormError, Op
from nas.network import NORM_EPSILON

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, "Tensor"]


class PythonWriter:
    """Collects the lines of a module's ``__init__`` and ``forward``, and the module's state.

    Every value is a variable of shape (N, C, H, W).

    Args:
        place: Prefix of the names of a block's layers, e.g. ``stages_2_0``.
        weights: State of the block's layers, by the names that they have in ``nas.nn``.
        norm_epsilon: The network's BatchNorm epsilon.
    """

    def __init__(self, place: str, weights: State, *, norm_epsilon: float = NORM_EPSILON) -> None:
        self._place, self._weights = place, weights
        self.norm_epsilon = norm_epsilon
        self.layers: list[str] = []
        self.lines: list[str] = []
        self.functions: dict[str, None] = {}
        self.state: State = {}

    def layer(self, role: str, code: str, *, source: str, suffix: str = "") -> str:
        """Adds a layer with the weights of ``source``; returns its expression in ``forward``."""
        name = f"{self._place}_{role}{suffix}"
        self.layers.append(f"self.{name} = {code}")
        prefix = f"{role}.{source}"
        for key, value in self._weights.items():
            own = key.removeprefix(prefix)
            if key.startswith(prefix) and "." not in own:  # a norm within is a layer of its own
                self.state[f"{name}.{own}".rstrip(".")] = value
        return f"self.{name}"

    def function(self, code: str) -> None:
        """Adds a function to the module, once for all operations that call it."""
        self.functions[code] = None

    def line(self, target: str, code: str) -> None:
        """Adds an assignment to ``forward``."""
        self.lines.append(f"{target} = {code}")


@singledispatch
def python_of(op: Op, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    """Returns the expression of one operation. New operations register their own function."""
    raise MissingFormError("Python", op, register="python_of.register")
