"""Parsers of what others wrote, each with valid inputs to begin from."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.runner.errors import RunnerError
from nas.space import SearchSpace
from tests.fuzz.mutations import changed_bytes, changed_value

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = (UserError, RunnerError)
"""Errors with a message for the user."""

Input = TypeVar("Input")


@dataclass(frozen=True)
class Parser(Generic[Input]):
    """A parser.

    Attributes:
        name: Its name.
        valid: Valid inputs.
        parse: Parses an input; raises one of ``EXPECTED`` for a wrong one.
        change: Changes a valid input.
        share: Its share of all inputs; slow parsers have a small one.
    """

    name: str
    valid: tuple[Input, ...]
    parse: Callable[[Input], object]
    change: Callable[[random.Random, Input], Input]
    share: float = 1.0


Maker = Callable[[Path], Parser[Any]]
"""Makes a parser, whose files lie in the folder."""


def of_text(name: str, valid: tuple[str, ...], parse: Callable[[str], object], share: float) -> Parser[str]:
    """A parser of text."""

    def change(rng: random.Random, value: str) -> str:
        return changed_bytes(rng, value.encode()).decode(errors="replace")

    return Parser(name, valid, parse, change, share)


def of_values(name: str, valid: tuple[Any, ...], parse: Callable[[Any], object], share: float) -> Parser[Any]:
    """A parser of JSON values."""
    return Parser(name, valid, parse, changed_value, share)


def of_files(
    name: str, valid: tuple[bytes, ...], file: Path, parse: Callable[[Path], object], share: float
) -> Parser[bytes]:
    """A parser of a file, which gets the changed bytes."""

    def written(data: bytes) -> object:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return parse(file)

    return Parser(name, valid, written, changed_bytes, share)


def of_json_files(
    name: str, valid: tuple[Any, ...], file: Path, parse: Callable[[Path], object], share: float
) -> Parser[Any]:
    """A parser of a JSON file, which gets the changed value."""

    def written(value: Any) -> object:
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(value), encoding="utf-8")
        return parse(file)

    return of_values(name, valid, written, share)


def space(name: str) -> SearchSpace:
    """A space that ships."""
    return SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml")


def yaml_of(name: str) -> bytes:
    """The file of a space that ships."""
    return (ROOT / "search_spaces" / f"{name}.yaml").read_bytes()


def largest(of: SearchSpace) -> NetworkSpec:
    """The largest network of a space."""
    return of.network(of.largest(), classes=10, input_channels=3)
