"""Scoring: the accuracy of a supernet's subnets, as a search asks for it."""

from __future__ import annotations

from nas.scoring.cache import EvaluationCache
from nas.scoring.scorer import Scorer, check_shares

__all__ = ["EvaluationCache", "Scorer", "check_shares"]
