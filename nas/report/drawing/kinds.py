"""The looks of block kinds: a colour, a short name, and the style sheet of every drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from nas.blocks import BlockSpec

PLAIN = ("conv", "pool", "linear", "classifier", "patchify", "max_pool", "layer_norm")
"""Kinds that are drawn in grey: a single layer."""

# After Okabe and Ito (2008), which colour-blind readers tell apart; ordered so that neighbours also differ
# in lightness, for print in grey.
LIGHT = ("#1f6fb2", "#e69f00", "#00794f", "#c77bb0", "#56b4e9", "#b3480a")
DARK = ("#4a9be0", "#f0b73d", "#2fb98a", "#e0a3cc", "#8dd0f5", "#ee8547")
GREY_LIGHT, GREY_DARK = "#7d838c", "#9aa1ab"


@final
@dataclass(frozen=True)
class Kinds:
    """The kinds of some blocks, each with its class in the style sheet.

    Attributes:
        classes: CSS class by kind: ``"kp"`` for plain layers, ``"k0"``, ``"k1"``, … for the others.
    """

    classes: Mapping[str, str]

    @classmethod
    def of(cls, blocks: Iterable[BlockSpec]) -> Kinds:
        """Returns the kinds of blocks, numbered in order of appearance."""
        names = list(dict.fromkeys(block.KIND for block in blocks))
        cells = [name for name in names if name not in PLAIN]
        numbered = {name: f"k{number % len(LIGHT)}" for number, name in enumerate(cells)}
        return cls({name: numbered.get(name, "kp") for name in names})

    def legend(self) -> list[tuple[str, str, str]]:
        """Returns CSS class, short name and name of each kind, in order of appearance."""
        return [(css, short(name), name.replace("_", " ")) for name, css in self.classes.items()]


def short(kind: str) -> str:
    """Returns the initials of a kind's name, or its first two letters: ``IR``, ``Co``."""
    words = kind.split("_")
    return "".join(word[0] for word in words).upper() if len(words) > 1 else kind[:2].capitalize()


def variables(dark: bool) -> str:
    """Returns the CSS variables of the colours."""
    colours = DARK if dark else LIGHT
    ink, soft, mark = ("#e8eaee", "#a8afb9", "#ff8f6b") if dark else ("#1b1f24", "#5b626c", "#c02d00")
    lines = [f"--k{number}:{colour}" for number, colour in enumerate(colours)]
    lines += [f"--kp:{GREY_DARK if dark else GREY_LIGHT}"]
    return ";".join([*lines, f"--net-ink:{ink}", f"--net-soft:{soft}", f"--net-mark:{mark}"])


RULES = (
    "".join(f".k{number}{{fill:var(--k{number})}}" for number in range(len(LIGHT)))
    + ".kp{fill:var(--kp)}"
    + ".net-text{font:10px system-ui,sans-serif;fill:var(--net-ink);text-anchor:middle}"
    + ".net-text.soft,.net-soft{fill:var(--net-soft)}.net-text.start{text-anchor:start}"
    + ".net-name{font-size:12px;font-weight:600}"
    + ".inner{fill-opacity:.28}.arc{fill:none;stroke:var(--net-ink);stroke-width:1.4}"
    + ".arc.projected{stroke-dasharray:3 2}.badge{fill:none;stroke:var(--net-ink);stroke-width:1}"
    + ".badge-text{font:700 8px system-ui,sans-serif;fill:var(--net-ink);text-anchor:middle}"
    + ".frame{fill:none;stroke:none}.differs .frame{stroke:var(--net-mark);stroke-width:1.6}"
    + ".absent .frame{stroke:var(--net-soft);stroke-width:1;stroke-dasharray:2 3}"
    + "".join(f".d{row} .r{row}{{font-weight:700;fill:var(--net-mark)}}" for row in range(4))
    + ".bracket{stroke:var(--net-soft);stroke-width:1}"
)
"""The style of cells, in a page and in a picture of its own."""


def style() -> str:
    """Returns the style sheet of a stand-alone picture, light and dark."""
    dark = f"@media(prefers-color-scheme:dark){{svg.network{{{variables(True)}}}}}"
    return f"<style>svg.network{{{variables(False)}}}{dark}{RULES}</style>"
