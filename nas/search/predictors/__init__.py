"""Accuracy predictors: regressions on features, with their uncertainty. Every module in this folder is
imported, so a new predictor is a new file."""

from __future__ import annotations

import importlib
import pkgutil

from nas.search.predictors.base import (
    REPLACED,
    Fitted,
    Predictor,
    make_predictor,
    predictor_names,
    register,
)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["REPLACED", "Fitted", "Predictor", "make_predictor", "predictor_names", "register"]
