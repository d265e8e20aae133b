"""Training of supernets and networks: data, recipes, evaluation.

This module exports the functions and classes that scripts need.
"""

from __future__ import annotations

from nas.training.data import Augment, Splits, load_data
from nas.training.evaluation import SubnetEvaluator
from nas.training.optimization import Compute, Hyperparameters
from nas.training.prepared import Prepared
from nas.training.recipes import make_recipe
from nas.training.supernet import SupernetRecipe, load_supernet, subnet_evaluator, train_supernet

__all__ = [
    "Augment",
    "Compute",
    "Hyperparameters",
    "Prepared",
    "Splits",
    "SubnetEvaluator",
    "SupernetRecipe",
    "load_data",
    "load_supernet",
    "make_recipe",
    "subnet_evaluator",
    "train_supernet",
]
