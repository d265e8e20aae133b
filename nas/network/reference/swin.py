"""Swin transformers (Liu et al. 2021), with torchvision's geometry."""

from __future__ import annotations

from functools import partial

from nas.blocks.layer_norm import LayerNorm
from nas.blocks.pool import Pool
from nas.blocks.swin import Swin
from nas.blocks.tokens import Tokens
from nas.network.reference.base import UNROUNDED, Body, add

SOURCE = "Liu et al. 2021, 'Swin Transformer', section 3.3"
_EPSILON = 1e-5


def _swin(width: float, *, base: int, pairs: tuple[int, ...]) -> Body:
    return Body(
        stem=(Tokens(width=base * width, patch=4, position=False, norm=True, epsilon=_EPSILON),),
        stages=tuple(
            tuple(
                Swin(width=base * 2**number * width, stride=1 if index or not number else 2)
                for index in range(depth)
            )
            for number, depth in enumerate(pairs)
        ),
        head=(LayerNorm(epsilon=_EPSILON), Pool()),
        rounding=UNROUNDED,
    )


add("swin_t", partial(_swin, base=96, pairs=(1, 1, 3, 1)), source=SOURCE)
add("swin_s", partial(_swin, base=96, pairs=(1, 1, 9, 1)), source=SOURCE)
add("swin_b", partial(_swin, base=128, pairs=(1, 1, 9, 1)), source=SOURCE)
