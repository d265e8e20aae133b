"""Recipes that draw and teach the subnets of a supernet. A new recipe is a new file in this folder."""

from __future__ import annotations

from nas.training.optimization import StepResult
from nas.training.recipes.base import (
    Recipe,
    Rule,
    Trainee,
    make_recipe,
    option_names,
    recipe_names,
    register,
)

__all__ = [
    "Recipe",
    "Rule",
    "StepResult",
    "Trainee",
    "make_recipe",
    "option_names",
    "recipe_names",
    "register",
]
