"""The runner's error for everything that a user can correct."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class RunnerError(ValueError):
    """A user error: what was wrong, what is allowed, what to do. It is printed without a traceback."""


@contextmanager
def faults_of(model: str) -> Iterator[None]:
    """Turns what a runtime raises while it opens or runs a model into a ``RunnerError`` that names the model.

    Errors that a mistake in Python code causes pass through.
    """
    try:
        yield
    except Exception as error:
        is_ours = isinstance(error, (ValueError, OSError))
        is_own = type(error).__module__ != "builtins" or isinstance(error, (MemoryError, RuntimeError))
        if is_ours or not is_own:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunnerError(
            f"{model} cannot be run here ({reason}); free memory if it is short, or leave that block out. "
            "Finished samples are kept"
        ) from error
