"""The HTML elements of a page, from its templates. All text is escaped; only other elements are not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from nas.report.page.charts import Chart
from nas.report.page.template import environment, json_text

if TYPE_CHECKING:
    from markupsafe import Markup


def _element(name: str, *values: Any) -> Markup:
    """Returns an element from its macro; strings among the values are escaped, elements are not."""
    macro = getattr(environment().get_template("elements.html").module, name)
    element: Markup = macro(*values)
    return element


def marked(body: str) -> Markup:
    """Marks the output of a template as HTML."""
    from markupsafe import Markup

    return Markup(body)  # the template has escaped its values


_INTERVAL = re.compile(r" (?=[(±])")


def kept(text: str) -> Markup:
    """Returns a figure whose interval stays in one line where a narrow cell breaks."""
    from markupsafe import Markup

    figure, *interval = _INTERVAL.split(text, maxsplit=1)
    template = '{} <span class="kept">{}</span>' if interval else "{}"
    return Markup(template).format(figure, *interval)


def heading(text: str, *, level: int = 2) -> Markup:
    """Returns a heading."""
    return _element("heading", text, level)


def paragraph(text: str, *, kind: str = "") -> Markup:
    """Returns a paragraph; ``kind`` is ``"note"``, ``"missing"`` or empty."""
    return _element("paragraph", text, kind)


def missing(what: str, command: str) -> Markup:
    """Returns a note on what cannot be shown yet, and the command that makes it."""
    return _element("missing", what, command)


def chart(chart: Chart, caption: str = "") -> Markup:
    """Returns a chart with its caption."""
    return _element("chart", json_text(chart.to_dict()), caption)


def network(networks: Sequence[dict[str, Any]], caption: str) -> Markup:
    """Returns a place where the page draws networks: each a ``name`` and the ``groups`` of its cells."""
    return _element("network", json.dumps(networks), caption)


def bars(rows: Iterable[tuple[str, str, float, str]]) -> Markup:
    """Returns horizontal bars: name, colour, length in percent and the value in words of each."""
    return _element("bars", [(name, colour, f"{share:.2f}", value) for name, colour, share, value in rows])


def beside(parts: Sequence[Markup]) -> Markup:
    """Returns elements beside each other where the page is wide enough."""
    return _element("beside", parts)


def table(
    headings: Sequence[tuple[str, str]], rows: Iterable[tuple[str, Sequence[str]]], *, texts: int = 1
) -> Markup:
    """Returns a table.

    Args:
        headings: Text and unit of each column.
        rows: The CSS class of each row, possibly empty, and its cells.
        texts: Number of columns on the left with text that may wrap; the others hold numbers.
    """
    return _element("table", headings, list(rows), texts)


def folded(summary: str, text: str) -> Markup:
    """Returns a long text that opens on a click."""
    return opened_on_click(summary, _element("pre", text))


def opened_on_click(summary: str, body: Markup) -> Markup:
    """Returns an element that opens on a click."""
    return _element("details", summary, body)
