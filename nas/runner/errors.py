"""The one error that the runner raises for what a user can put right."""

from __future__ import annotations


class RunnerError(ValueError):
    """What was wrong, what is allowed, what to do; printed without a traceback."""
