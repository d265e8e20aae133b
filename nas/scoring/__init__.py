"""Scoring: the accuracy of a supernet's subnets, for a search."""

from __future__ import annotations

from nas.scoring.cache import EvaluationCache
from nas.scoring.scorer import Scorer, check_shares

__all__ = ["EvaluationCache", "Scorer", "check_shares"]
