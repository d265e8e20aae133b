"""Reads pages of the report: their text, elements, charts and data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any


@dataclass
class Parsed(HTMLParser):
    """What a page or a part of one holds.

    Attributes:
        words: The text that a reader sees, and the contents of ``data-network``.
        elements: Names and attributes of all elements.
        data: The JSON of scripts with an id.
        charts: The charts.
        headings: The texts of the headings of level 2.
    """

    words: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    charts: list[dict[str, Any]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.elements.append((tag, known))
        if tag not in ("meta", "input", "br", "link"):
            self._open.append((tag, known))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1][0] == tag, f"</{tag}> closes <{self._open[-1][0]}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "script" and attributes.get("type") == "application/json":
            if "id" in attributes:
                self.data[attributes["id"]] = json.loads(data)
            else:
                self.charts.append(json.loads(data))
        elif tag not in ("script", "style"):
            self.words.append(data)
            if tag == "h2" and any(each == "section" for each, _ in self._open):
                self.headings.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def chart(self, title: str) -> dict[str, Any]:
        """The chart with a title."""
        [found] = [chart for chart in self.charts if chart["title"] == title]
        return found

    def of_class(self, name: str) -> int:
        """The number of elements of a class."""
        return sum(name in attributes.get("class", "").split() for _, attributes in self.elements)


def parse(html: str) -> Parsed:
    """Reads HTML whose elements must be closed in order."""
    parsed = Parsed()
    parsed.feed(html)
    parsed.close()
    assert parsed._open == []
    return parsed


def cells(html: str) -> list[list[str]]:
    """The texts of the cells of all rows of tables."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    return [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in rows]
