"""A network that starts with the weights of another one of the same kinds: wider, deeper, smaller or equal.

New channels and blocks start so that they change nothing (Chen et al. 2016, "Net2Net"; here new channels are
read by weights of zero, which needs no copies of old ones).
"""

from __future__ import annotations

import torch
from torch import Tensor

from nas.blocks import BlockSpec, ops
from nas.network import NetworkSpec, Place
from nas.nn.block import Block, has_shortcut, zero_residual_scales
from nas.nn.layers import Scale, crop
from nas.nn.static import StaticBlock, StaticNetwork


@torch.no_grad()
def inherit(target: StaticNetwork, source: StaticNetwork, *, classifier: bool = True) -> tuple[str, ...]:
    """Copies the weights and statistics that fit: the first channels, the centres of kernels.

    What reads channels that the source lacks becomes zero, and blocks beyond the source's depth start as
    their shortcuts. So a target that is nowhere smaller computes in evaluation mode what the source computes,
    except for what the notes say.

    Args:
        target: The network, with fresh weights.
        source: A network with as many input channels.
        classifier: Whether the classifier is copied too; it needs equal classes.

    Returns:
        Sentences about blocks that do not compute what the source computes.
    """
    sources = _by_place(source)
    notes = list[str]()
    for place, block in _by_place(target).items():
        if place.section == "classifier" and not classifier:
            continue
        earlier = sources.get(place)
        if earlier is None:
            notes += _deepen(block, place, last=_last(sources, place))
        elif earlier.spec.KIND != block.spec.KIND:
            notes.append(f"{place} is of another kind and starts from scratch")
        else:
            _take(block.block, earlier.block)
            notes += _changes(block.spec, earlier.spec, place)
    return (*notes, *_dropped(target.network, source.network))


def _by_place(model: StaticNetwork) -> dict[Place, StaticBlock]:
    pairs = zip(model.network.placed_blocks, model.blocks.values(), strict=True)
    return {place: block for (place, _), block in pairs if isinstance(block, StaticBlock)}


def _take(target: Block, source: Block) -> None:
    """Copies what two blocks share, and zeroes what reads channels that only the target has."""
    values = source.state_dict()
    for name, tensor in target.state_dict().items():
        if name not in values:
            continue
        shared = tuple(map(min, tensor.shape, values[name].shape))
        if tensor.ndim > 1:
            tensor[: shared[0]] = 0
        _cut(tensor, shared).copy_(_cut(values[name], shared))


def _cut(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    return crop(tensor, shape) if tensor.ndim else tensor


def _last(sources: dict[Place, StaticBlock], place: Place) -> StaticBlock | None:
    """The source's last block in the stage of a place."""
    stage = [block for at, block in sources.items() if (at.section, at.stage) == (place.section, place.stage)]
    return stage[-1] if stage else None


def _deepen(block: StaticBlock, place: Place, *, last: StaticBlock | None) -> list[str]:
    """Lets a new block start as its shortcut, otherwise with the weights of the block before."""
    if last is not None and last.spec.KIND == block.spec.KIND:
        _take(block.block, last.block)
    scales = [layer for layer in block.modules() if isinstance(layer, Scale)]
    if not has_shortcut(block.spec) or not (block.block.residual_ends or scales):
        return [f"{place} is new and has no shortcut as which it could start"]
    zero_residual_scales(block)
    for role in block.block.residual_ends:
        block.block.get_parameter(f"{role}.norm.bias").zero_()
    for scale in scales:
        scale.weight.zero_()
    return []


def _changes(new: BlockSpec, old: BlockSpec, place: Place) -> list[str]:
    """What makes a block compute something else than the source's block of its place."""
    if _is_smaller(new, old):
        return [f"{place} is smaller than it was and loses channels or the rim of its kernels"]
    if has_shortcut(new) != has_shortcut(old):
        return [f"{place} {'gains' if has_shortcut(new) else 'loses'} its shortcut"]
    norms = [op.in_shape.channels for op in new.ops if isinstance(op, ops.LayerNorm)]
    if norms != [op.in_shape.channels for op in old.ops if isinstance(op, ops.LayerNorm)]:
        return [f"{place} has a LayerNorm, which averages over its new channels too"]
    return []


def _is_smaller(new: BlockSpec, old: BlockSpec) -> bool:
    def sizes(spec: BlockSpec) -> dict[str, tuple[int, int]]:
        convolutions = [op for op in spec.ops if isinstance(op, ops.Conv2d)]
        return {op.role: (op.out_channels, op.kernel) for op in convolutions}

    before = sizes(old)
    pairs = [(size, before[role]) for role, size in sizes(new).items() if role in before]
    return any(channels < had or kernel < was for (channels, kernel), (had, was) in pairs)


def _dropped(target: NetworkSpec, source: NetworkSpec) -> list[str]:
    pairs = enumerate(zip(target.stages, source.stages, strict=False))
    return [
        f"stage {number} has {len(new)} blocks and had {len(old)}"
        for number, (new, old) in pairs
        if len(new) < len(old)
    ]
