"""Inputs that are nearly right: each is parsed, or refused in one line, within a second."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from tests.fuzz import files, texts, values
from tests.fuzz.faults import fault
from tests.fuzz.parsers import Parser

SHORT, LONG = 100, 60_000
"""Inputs of a parser whose share is 1. All shares together are about 20."""


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Parser[Any]]:
    folder = tmp_path_factory.mktemp("parsers")
    return [*texts.parsers(folder), *values.parsers(folder), *files.parsers(folder)]


def test_valid_inputs_are_parsed(every: list[Parser[Any]]) -> None:
    for parser in every:
        for value in parser.valid:
            parser.parse(value)


def run(every: list[Parser[Any]], *, inputs: int, seed: int) -> dict[str, int]:
    """Parses changed inputs and fails with the first input of each kind of fault; returns the counts."""
    faults, counts = dict[tuple[str, str], str](), dict[str, int]()
    for parser in every:
        rng = random.Random(f"{seed}/{parser.name}")
        counts[parser.name] = max(round(inputs * parser.share), 1)
        for _ in range(counts[parser.name]):
            value = parser.change(rng, rng.choice(parser.valid))
            if found := fault(parser, value):
                faults.setdefault((parser.name, found[:60]), f"{found[:300]} for {value!r:.600}")
    assert not faults, "\n".join(f"{name}: {text}" for (name, _), text in faults.items())
    return counts


def test_nearly_right_inputs_are_parsed_or_refused(every: list[Parser[Any]]) -> None:
    run(every, inputs=SHORT, seed=0)


@pytest.mark.long
def test_a_million_nearly_right_inputs(every: list[Parser[Any]]) -> None:
    start = time.perf_counter()
    counts = run(every, inputs=LONG, seed=time.time_ns() % 2**32)
    total = sum(counts.values())
    print(f"{total:,} inputs in {time.perf_counter() - start:.0f} s: {counts}")
    assert total >= 1_000_000
