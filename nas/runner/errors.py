"""The one error that the runner raises for what a user can put right."""

from __future__ import annotations


class RunnerError(ValueError):
    """A fault of the user: what was wrong, what is allowed, what to do. It is printed without a traceback."""
