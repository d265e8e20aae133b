"""Vision transformers: ViT (Dosovitskiy et al. 2021) and DeiT (Touvron et al. 2021), without distillation."""

from __future__ import annotations

from functools import partial

from nas.blocks.first_token import FirstToken
from nas.blocks.layer_norm import LayerNorm
from nas.blocks.tokens import Tokens
from nas.blocks.vit import ViT
from nas.network.reference.base import UNROUNDED, Body, add

VIT = "Dosovitskiy et al. 2021, 'An Image is Worth 16x16 Words', table 1"
DEIT = "Touvron et al. 2021, 'Training data-efficient image transformers', table 1"


def _vit(width: float, *, base: int, depth: int, patch: int) -> Body:
    return Body(
        stem=(Tokens(width=base * width, patch=patch, class_token=True),),
        stages=((ViT(),) * depth,),
        head=(FirstToken(), LayerNorm()),
        rounding=UNROUNDED,
    )


add("vit_b_16", partial(_vit, base=768, depth=12, patch=16), source=VIT)
add("vit_b_32", partial(_vit, base=768, depth=12, patch=32), source=VIT)
add("vit_l_16", partial(_vit, base=1024, depth=24, patch=16), source=VIT)
add("deit_tiny", partial(_vit, base=192, depth=12, patch=16), source=DEIT)
add("deit_small", partial(_vit, base=384, depth=12, patch=16), source=DEIT)
