"""The HTML elements of a page. All text is escaped; no external resources are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark;
  --ink: #1b1d21; --paper: #ffffff; --line: #d5d8dd; --soft: #f4f5f7; --mark: #b34700 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e9ec; --paper: #15171a; --line: #3a3e45; --soft: #1f2226; --mark: #ff9d5c }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; margin: 0 0 .25rem } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
p { margin: .5rem 0; max-width: 46rem } .note { opacity: .8; font-size: .9rem }
.missing { border-left: 3px solid var(--line); padding-left: .75rem; opacity: .8 }
figure { margin: 1rem 0; overflow-x: auto } figure svg { display: block; width: 100%; height: auto }
figcaption { font-size: .9rem; opacity: .8; max-width: 46rem } svg text { font-family: system-ui, sans-serif }
.wide { overflow-x: auto } .strip svg { min-width: 40rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .75rem 0; font-size: .9rem }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line); text-align: right }
td { white-space: nowrap } th { font-weight: 600; vertical-align: bottom }
th.text, td.text { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 8rem }
th small { font-weight: 400; opacity: .75; display: block }
tr.winner td { font-weight: 700; color: var(--mark) }
code, pre { font-family: ui-monospace, monospace; font-size: .85rem } code { overflow-wrap: anywhere }
pre { background: var(--soft); padding: .75rem; overflow-x: auto }
summary { cursor: pointer; margin: .5rem 0 }
"""


def page(title: str, body: Iterable[str]) -> str:
    """Returns a whole page, which is also well-formed XML."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head>",
            "<body>",
            *body,
            "</body></html>",
            "",
        ]
    )


def heading(text: str, *, level: int = 2) -> str:
    """Returns a heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, *, kind: str = "") -> str:
    """Returns a paragraph; ``kind`` is ``"note"``, ``"missing"`` or empty."""
    opening = f'<p class="{kind}">' if kind else "<p>"
    return f"{opening}{escape(text)}</p>"


def missing(what: str, command: str) -> str:
    """Returns the placeholder for a section that cannot be shown yet."""
    return f'<p class="missing">{escape(what)} <code>{escape(command)}</code></p>'


def figure(svg: str, caption: str, *, kind: str = "") -> str:
    """Returns a picture with its caption."""
    return f'<figure class="{kind}">{svg}<figcaption>{escape(caption)}</figcaption></figure>'


def table(
    headings: Sequence[tuple[str, str]], rows: Iterable[tuple[str, Sequence[str]]], *, texts: int = 1
) -> str:
    """Returns a table.

    Args:
        headings: Text and unit of each column.
        rows: The CSS class of each row, possibly empty, and its cells.
        texts: Number of columns on the left with text that may wrap; the others hold numbers.
    """
    kinds = [' class="text"' if number < texts else "" for number in range(len(headings))]
    columns = list(zip(kinds, headings, strict=True))
    head = "".join(f"<th{kind}>{escape(text)}{_unit(unit)}</th>" for kind, (text, unit) in columns)
    lines = [
        f'<tr class="{role}">'
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, cells, strict=True))
        + "</tr>"
        for role, cells in rows
    ]
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table>{body}</table></div>'


def _unit(unit: str) -> str:
    return f"<small>{escape(unit)}</small>" if unit else ""


def folded(summary: str, text: str) -> str:
    """Returns a long text that opens on a click."""
    return opened_on_click(summary, f"<pre>{escape(text)}</pre>")


def opened_on_click(summary: str, body: str) -> str:
    """Returns HTML that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
