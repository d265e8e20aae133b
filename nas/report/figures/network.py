"""A network as a strip: one column per block, as high as its feature map, with its parameters below."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from nas.blocks import BlockSpec, ops
from nas.network import NetworkSpec, Place
from nas.report.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PINK, RED, SKY, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PALETTE = (BLUE, ORANGE, GREEN, PINK, SKY, RED)
_PLAIN = ("conv", "pool", "linear", "classifier")
_ROWS = ("kernel", "expansion", "channels", "resolution")


@styled
def draw_network(network: NetworkSpec) -> Figure:
    """Draws the blocks from input to classifier."""
    from matplotlib.patches import Rectangle

    placed = network.placed_blocks
    figure, axes = new_figure(max(7.2, 0.52 * len(placed) + 1.4), 3.6)
    axes.axis("off")
    colours = kind_colours([block for _, block in placed])
    for x, (_, block) in enumerate(placed):
        height = 0.12 + 0.88 * block.in_height / network.resolution
        axes.add_patch(Rectangle((x - 0.4, 0), 0.8, height, color=colours[block.KIND], linewidth=0))
        for row, text in enumerate(facts(block)):
            axes.text(x, -0.12 - 0.15 * row, text, ha="center", va="center", fontsize=9)
    for row, text in enumerate(_ROWS):
        axes.text(-0.7, -0.12 - 0.15 * row, text, ha="right", va="center", fontsize=9, alpha=0.75)
    _draw_sections(axes, [place for place, _ in placed])
    kinds = {kind.replace("_", " "): colour for kind, colour in colours.items() if colour != GREY}
    kinds["plain layer"] = GREY
    handles = [Rectangle((0, 0), 1, 1, color=colour, linewidth=0) for colour in kinds.values()]
    axes.legend(handles, list(kinds), loc="upper right", fontsize=9, handlelength=1, handleheight=1)
    axes.set_xlim(-2.4, len(placed) - 0.4)
    axes.set_ylim(-0.95, 1.08)
    return figure


def kind_colours(blocks: list[BlockSpec]) -> dict[str, str]:
    """Assigns a colour to each kind of block, in order of appearance; plain layers are grey."""
    kinds = list(dict.fromkeys(block.KIND for block in blocks))
    cells = [kind for kind in kinds if kind not in _PLAIN]
    return {kind: _PALETTE[cells.index(kind) % len(_PALETTE)] if kind in cells else GREY for kind in kinds}


def facts(block: BlockSpec) -> tuple[str, str, str, str]:
    """Returns kernels, expansion, output channels and resolution of any block, from its operations."""
    convolutions = [op for op in block.ops if isinstance(op, ops.Conv2d)]
    spatial = [op.kernel for op in convolutions if op.kernel > 1]
    kernels = "+".join(map(str, spatial)) or ("1" if convolutions else "–")
    out = block.out_shape
    inner = max((op.out_channels for op in convolutions[:-1]), default=0)
    ratio = (
        f"×{inner / block.in_channels:.2g}" if len(convolutions) > 1 and inner != block.in_channels else "–"
    )
    return kernels, ratio, str(out.channels), str(out.height)


def _draw_sections(axes: Axes, places: list[Place]) -> None:
    """Draws brackets below the columns, one per stage."""
    names = [f"stage {place.stage}" if place.section == "stages" else place.section for place in places]
    for name, group in groupby(enumerate(names), key=lambda item: item[1]):
        columns = [x for x, _ in group]
        axes.plot([columns[0] - 0.4, columns[-1] + 0.4], [-0.72, -0.72], color=INK, linewidth=1)
        axes.text((columns[0] + columns[-1]) / 2, -0.78, name, ha="center", va="top", fontsize=8.5)
