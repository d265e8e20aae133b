"""What the user did wrong, said so that the user can put it right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class UserError(ValueError):
    """A fault in what the user gave; the command line prints it without a traceback and exits with 2.

    The message says what was wrong, what is allowed, and what to do.
    """


def yaml_fault(error: Exception) -> str:
    """What is wrong in a YAML file, and in which line, in one line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark and problem else " ".join(str(error).split())


def unknown(
    what: str, name: object, allowed: Iterable[str], *, hint: str = "", replaced: Mapping[str, str] = {}
) -> UserError:
    """Builds the error for a name that does not exist.

    Args:
        what: The kind of thing that was named, e.g. ``"search space"``.
        name: The name that was given.
        allowed: The names that exist.
        hint: A sentence on what else can be done.
        replaced: Names of earlier versions, and what to use instead of each.

    Returns:
        An error whose message gives the nearest names first and then all of them.
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
