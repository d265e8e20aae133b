"""A parser with a fault on purpose, behind comparisons that chance does not pass."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.parsers import Parser, of_text


def nested(folder: Path) -> Parser[str]:
    def parse(text: str) -> None:
        if text[:2] != "N\x7f":
            return
        if text[2:4] != "v7":
            return
        if text[4:6] == "~#":
            raise ValueError("planted")

    return of_text("planted", ("width=8, depth=2", "resolution=32"), parse, 1.0)
