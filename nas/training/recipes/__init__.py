"""Recipes: how a supernet's subnets are drawn and taught. Every module in this folder is imported, so a new
recipe is a new file."""

from __future__ import annotations

import importlib
import pkgutil

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

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

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
