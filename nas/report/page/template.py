"""Pages from the templates in this folder: all text is escaped, and a page holds everything it needs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from nas.report.drawing.kinds import RULES, variables

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = "nas.report.page"
_BOKEH = ("bokeh.min.js", "bokeh-api.min.js")
SCRIPTS = ("theme.js", "charts.js", "networks.js")
"""Scripts of ours that every page with charts has, in order."""


@cache
def environment() -> Environment:
    """Returns the templates' environment, in which every value is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("nas.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """Renders a template; text among the values is escaped, HTML must be marked as such in the template."""
    return environment().get_template(template).render(**values)


def page(title: str, body: str, *, scripts: Sequence[str] = ()) -> str:
    """Returns a whole page.

    A content security policy lets it run these scripts only, and load nothing from anywhere.

    Args:
        title: Title of the page.
        body: Its HTML.
        scripts: Names of further scripts of ours, after ``SCRIPTS``.
    """
    sources = [_bokeh(), "\n".join(_static(name) for name in (*SCRIPTS, *scripts, "start.js"))]
    hashes = " ".join(f"'sha256-{_digest(source)}'" for source in sources)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    colours = f":root{{{variables(False)}}}@media(prefers-color-scheme:dark){{:root{{{variables(True)}}}}}"
    style = colours + RULES + _static("page.css")
    return render("page.html", title=title, body=body, policy=policy, style=style, sources=sources)


def json_text(value: Any) -> str:
    """Returns JSON that may stand inside a script element: no character of it can end the element.

    Raises:
        ValueError: If a number is not finite; JSON has no such numbers.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _bokeh() -> str:
    """The scripts of BokehJS, from the Python package."""
    folder = files("bokeh") / "server" / "static" / "js"
    text = "\n".join((folder / name).read_text(encoding="utf-8") for name in _BOKEH)
    return "\n".join(line for line in text.splitlines() if not line.startswith("//# sourceMappingURL"))


@cache
def _static(name: str) -> str:
    return (files(_HERE) / "static" / name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    """The hash of a script as the browser computes it."""
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
