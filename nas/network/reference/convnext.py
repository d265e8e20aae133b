"""ConvNeXt (Liu et al. 2022)."""

from __future__ import annotations

from functools import partial

from nas.blocks.convnext import ConvNeXt
from nas.blocks.layer_norm import LayerNorm
from nas.blocks.patchify import Patchify
from nas.blocks.pool import Pool
from nas.network.reference.base import UNROUNDED, Body, add

SOURCE = "Liu et al. 2022, 'A ConvNet for the 2020s', section 3"


def _convnext(width: float, *, base: int, depths: tuple[int, ...]) -> Body:
    return Body(
        stem=(Patchify(width=base * width, stride=4),),
        stages=tuple(
            tuple(
                ConvNeXt(width=base * 2**number * width, stride=1 if index or not number else 2)
                for index in range(depth)
            )
            for number, depth in enumerate(depths)
        ),
        head=(Pool(), LayerNorm()),
        rounding=UNROUNDED,
    )


add("convnext_tiny", partial(_convnext, base=96, depths=(3, 3, 9, 3)), source=SOURCE)
add("convnext_small", partial(_convnext, base=96, depths=(3, 3, 27, 3)), source=SOURCE)
add("convnext_base", partial(_convnext, base=128, depths=(3, 3, 27, 3)), source=SOURCE)
add("convnext_large", partial(_convnext, base=192, depths=(3, 3, 27, 3)), source=SOURCE)
