"""What is wrong with how a parser takes an input."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tests.fuzz.parsers import EXPECTED, Parser

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
