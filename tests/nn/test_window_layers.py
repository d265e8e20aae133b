"""Windows: what they let a pixel see, with and without a shift, and what smaller ones take of a table."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nas.blocks import BlockSpec, Rounding, Shape, make_settings
from nas.blocks.token_ops import Attention, Grid
from nas.errors import UserError
from nas.nn import Block, Supernet
from nas.nn.layers import crop
from nas.space import SearchSpace

SIDE = 8


def swin(**fields: object) -> BlockSpec:
    settings = {"width": 8, "head_dim": 4, "window": 4, **fields}
    return make_settings("swin", settings).lower(Shape(8, SIDE, SIDE), Rounding())


def reached(block: Block, spec: BlockSpec, row: int, column: int) -> set[tuple[int, int]]:
    """The pixels of the output that change with one of the input."""
    x = torch.randn(1, 8, SIDE, SIDE)
    changed = x.clone()
    changed[0, :, row, column] += torch.randn(8)
    with torch.no_grad():
        difference = (block(changed, spec) - block(x, spec)).abs().amax(1)[0]
    return {(int(y), int(x)) for y, x in difference.nonzero()}


def window_of(position: int, shift: int) -> set[int]:
    """The rows or columns in the window of one; shifted windows end at the edges of the map."""
    start = (position - shift) // 4 * 4 + shift
    return {place for place in range(start, start + 4) if 0 <= place < SIDE}


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 6), (2, 3), (7, 7), (5, 1)])
def test_a_pixel_reaches_its_window_and_no_pixel_across_the_edge_of_the_map(row: int, column: int) -> None:
    torch.manual_seed(0)
    spec = swin()
    block = Block([spec]).eval()
    for plain, shift in (("shifted_", 0), ("", 2)):
        with torch.no_grad():
            for role in ("attended", "project"):
                block.get_submodule("shifted_" + role).weight.normal_(0, 0.3)  # type: ignore[union-attr, operator]
                block.get_submodule(role).weight.normal_(0, 0.3)  # type: ignore[union-attr, operator]
                block.get_submodule(plain + role).weight.zero_()  # type: ignore[union-attr, operator]
        window = {(y, x) for y in window_of(row, shift) for x in window_of(column, shift)}
        assert reached(block, spec, row, column) == window


def test_one_window_is_not_shifted() -> None:
    grids = [[op.grid for op in swin(window=side).ops if isinstance(op, Attention)] for side in (4, 8, 14)]
    assert [[grid.shift for grid in pair if grid] for pair in grids] == [[0, 2], [0, 0], [0, 0]]
    assert grids[2][0] == Grid(height=14, width=14, side=14)


def test_windows_that_do_not_tile_are_refused() -> None:
    with pytest.raises(UserError, match="windows of 3×3 pixels do not tile a map of 8×6; pad it first"):
        Grid(height=8, width=6, side=3)


def test_smaller_windows_and_fewer_heads_take_the_centre_and_the_first_of_the_table() -> None:
    small, large = swin(), swin(window=7, width=16)
    shared, alone = Block([small, large]).eval(), Block([small]).eval()
    alone.take(shared)
    table = shared.get_parameter("position_bias.weight")
    assert table.shape == (4, 1, 13, 13)
    assert torch.equal(alone.get_parameter("position_bias.weight"), table[:2, :, 3:10, 3:10])
    assert torch.equal(crop(table, (2, 1, 7, 7)), table[:2, :, 3:10, 3:10])
    x = torch.randn(2, 8, SIDE, SIDE)
    assert torch.equal(shared(x, small), alone(x, small))


@pytest.mark.parametrize("resolutions", [(40,), (56, 40)])
def test_a_supernet_holds_the_windows_of_all_resolutions(resolutions: tuple[int, ...]) -> None:
    space = replace(SearchSpace.load("swin"), resolutions=resolutions)
    supernet = Supernet(space, classes=3).eval()
    for arch in (space.smallest(), space.largest()):
        network = space.network(arch)
        x = torch.randn(2, 3, network.resolution, network.resolution)
        assert torch.allclose(supernet(x, network), supernet.extract(network)(x), atol=1e-6)


def test_every_weight_of_a_space_of_windows_is_trained() -> None:
    space = replace(SearchSpace.load("swin"), resolutions=(56,))
    supernet = Supernet(space, classes=3)
    supernet(torch.randn(2, 3, 56, 56), space.network(space.largest())).square().sum().backward()
    missing = {name for name, p in supernet.named_parameters() if p.grad is None}
    assert all("stages_0_0_swin.merge" in name for name in missing), "the widest does not merge there"
