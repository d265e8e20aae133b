"""The runner's error for everything that a user can correct."""

from __future__ import annotations


class RunnerError(ValueError):
    """A user error: what was wrong, what is allowed, what to do. It is printed without a traceback."""
