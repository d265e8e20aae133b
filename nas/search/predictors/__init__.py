"""Accuracy predictors: regressions on features, with their uncertainty. A new predictor is a new file
in this folder."""

from __future__ import annotations

from nas.search.predictors.base import Fitted, Predictor, make_predictor, predictor_names, register

__all__ = ["Fitted", "Predictor", "make_predictor", "predictor_names", "register"]
