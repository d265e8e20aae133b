"""User errors, with messages that explain how to correct them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class UserError(ValueError):
    """An error in the user's input; the command line prints it without a traceback and exits with 2.

    The message says what was wrong, what is allowed, and what to do.
    """


def yaml_fault(error: Exception) -> str:
    """Describes the error of a YAML file, with its line number, in one line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark and problem else " ".join(str(error).split())


def unknown(
    what: str, name: object, allowed: Iterable[str], *, hint: str = "", replaced: Mapping[str, str] = {}
) -> UserError:
    """Builds the error for a name that does not exist.

    Args:
        what: The kind of thing, e.g. ``"search space"``.
        name: The unknown name.
        allowed: The existing names.
        hint: A sentence about alternatives.
        replaced: Names of earlier versions and their replacements.

    Returns:
        An error whose message lists the nearest names, then all names.
    """
    if str(name) in replaced:
        return UserError(f"{what} {str(name)!r} was removed; use {replaced[str(name)]} instead")
    names = sorted(allowed)
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    parts = [f"unknown {what} {str(name)!r}"]
    if near:
        parts.append("did you mean " + " or ".join(near) + "?")
    parts.append("allowed: " + (", ".join(names) if names else "none exist yet"))
    return UserError("; ".join(parts) + (f". {hint}" if hint else ""))
