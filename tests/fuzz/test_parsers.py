"""Inputs that are nearly right: each is parsed, or refused in one line, within a second."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from tests.fuzz import files, texts, values
from tests.fuzz.parsers import EXPECTED, Parser

SHORT, LONG = 100, 60_000
"""Inputs of a parser whose share is 1. All shares together are about 20."""

LONGEST_S = 10.0


class TooLongError(Exception):
    """A parser took too long."""


@contextmanager
def time_limit() -> Iterator[None]:
    """Raises ``TooLongError`` in the body after ``LONGEST_S`` seconds of CPU time."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fault(parser: Parser[Any], value: Any) -> str:
    """What is wrong with how a parser takes an input; empty if nothing is."""
    try:
        with time_limit():
            parser.parse(value)
    except EXPECTED as error:
        message = str(error)
        if not message or "\n" in message.strip():
            return f"not one line: {message!r}"
    except TooLongError:
        return f"more than {LONGEST_S:g} s"
    except Exception as error:  # noqa: BLE001 - any other error is the fault that is looked for
        return f"{type(error).__name__}: {error}"
    return ""


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
