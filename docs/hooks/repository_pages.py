"""Pages of the site that lie elsewhere in the repository, and the links from and to them."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "latency_tables/README.md": "latency_tables.md",
    "published_accuracies/README.md": "published_accuracies.md",
    "experiments/README.md": "experiments/index.md",
}
"""Page of the site by its place in the repository; each experiment's README joins them."""

_LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_PICTURES = ("*.svg", "*.png")


def pages(root: Path) -> dict[str, str]:
    """The pages of the site by their places in the repository."""
    experiments = sorted(path.parent.name for path in root.glob("experiments/*/README.md"))
    return PAGES | {f"experiments/{name}/README.md": f"experiments/{name}.md" for name in experiments}


def files(root: Path) -> dict[str, Path]:
    """Files of the repository by their places in the site: the pages, and the pictures beside them."""
    found = {target: root / source for source, target in pages(root).items()}
    for folder in ("benchmarks", "experiments"):
        pictures = [path for pattern in _PICTURES for path in (root / folder).rglob(pattern)]
        found |= {path.relative_to(root).as_posix(): path for path in pictures}
    return found


def relinked(markdown: str, page: str, root: Path) -> str:
    """The text with links that lead somewhere in the site; a link to other files keeps its text only.

    Args:
        markdown: The text of a page.
        page: Its place in the site.
        root: The folder of the repository.
    """
    known = pages(root)
    source = next((source for source, target in known.items() if target == page), f"docs/{page}")

    def lead(match: re.Match[str]) -> str:
        mark, text, path, anchor = match[1], match[2], match[3], match[4] or ""
        if not path or "://" in path:
            return match[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        target = _target(place, known, root)
        if target is None:
            return match[0] if mark else text
        return f"{mark}[{text}]({posixpath.relpath(target, posixpath.dirname(page) or '.')}{anchor})"

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else _LINK.sub(lead, part) for part in parts)


def _target(place: str, known: dict[str, str], root: Path) -> str | None:
    """Where a file of the repository is in the site; None for one that is not in it."""
    if (readme := f"{place}/README.md") in known:
        return known[readme]
    if place == "README.md":
        return "index.md"
    if place in known:
        return known[place]
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    return place if any(Path(place).match(pattern) for pattern in _PICTURES) else None
