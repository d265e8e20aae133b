"""``llms.txt``: commands, pages and settings as one short text, for assistants that type the commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reference_pages

import nas
from nas.cli.commands import COMMANDS


@dataclass(frozen=True)
class Link:
    """A page of the site.

    Attributes:
        title: Its title in the navigation.
        url: Its place, relative to the root of the site.
    """

    title: str
    url: str


def links(nav: Any, title: str = "") -> list[Link]:
    """The pages of a navigation, as it stands in ``mkdocs.yml``."""
    if isinstance(nav, str):
        return [Link(title, f"{nav.removesuffix('.md')}.html")]
    items = nav.items() if isinstance(nav, dict) else ((title, part) for part in nav)
    return [link for name, part in items for link in links(part, name)]


def filled(template: str, pages: list[Link]) -> str:
    """The whole text.

    Args:
        template: The text with markers, ``docs/llms.txt``.
        pages: The pages of the site, in their order.
    """
    commands = (f"- `nas {name}`: {COMMANDS[name].summary}" for name in COMMANDS)
    settings = [setting for members in reference_pages.settings().values() for setting in members]
    parts = {
        "version": nas.__version__,
        "list of commands": "\n".join(commands),
        "list of pages": "\n".join(f"- [{page.title}]({page.url})" for page in pages),
        "list of settings": "\n".join(f"- `{one.name}={one.default}`: {one.meaning}" for one in settings),
    }
    for marker, text in parts.items():
        template = template.replace(f"<!-- {marker} -->", text)
    return template
