"""LeViT's attention: shared between maps of several sizes, folded without BatchNorm, near and far pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.blocks import BlockSpec, Rounding, Shape, make_settings
from nas.deploy.formats.pytorch import fold_norms, load_module
from nas.deploy.onnx import Metadata
from nas.deploy.python_code import write_python
from nas.network import reference_network
from nas.nn import Block, StaticNetwork, Supernet, zero_residual_scales
from nas.nn.layers import run
from nas.space import SearchSpace


def levit(side: int, **settings: object) -> BlockSpec:
    fields = {"width": 8, "head_dim": 4, "heads": 2} | settings
    return make_settings("levit", fields).lower(Shape(8, side, side), Rounding())


def test_a_smaller_map_and_fewer_heads_have_the_first_numbers() -> None:
    torch.manual_seed(0)
    large, small = levit(5), levit(3, heads=1)
    shared, alone = Block([small, large]).eval(), Block([small]).eval()
    alone.take(shared)
    table = shared.get_parameter("position_bias.weight")
    assert table.shape == (2, 25)
    assert torch.equal(alone.get_parameter("position_bias.weight"), table[:1, :9])
    x = torch.randn(2, 8, 3, 3)
    assert torch.allclose(shared(x, small), alone(x, small), atol=1e-6)


def test_the_number_of_an_offset_is_added_to_the_score_of_its_pixels() -> None:
    """With a large number for pixels right above and below, each query reads only those."""
    spec = levit(3, stride=2)
    block = Block([spec]).eval()
    table = torch.full((2, 9), -50.0)
    table[:, 3] = 0  # one row apart, the same column
    (attention,) = (op for op in spec.ops if op.role == "position_bias")
    assert [number for number, place in enumerate(attention.offsets[0]) if place == 3] == [3]
    block.get_submodule("position_bias").load_state_dict({"weight": table})
    value = torch.randn(1, 32, 3, 3)
    query, key = torch.zeros(1, 8, 2, 2), torch.zeros(1, 8, 3, 3)
    y = run(attention, block.get_submodule("position_bias"), query, key, value)
    assert torch.allclose(y[0, :, 0, 0], value[0, :, 1, 0], atol=1e-5)
    assert torch.allclose(y[0, :, 1, 1], value[0, :, 1, 2], atol=1e-5)


@pytest.mark.parametrize("resolutions", [(64,), (64, 96)])
def test_a_supernet_holds_the_offsets_of_all_resolutions(resolutions: tuple[int, ...]) -> None:
    space = replace(SearchSpace.load("levit"), resolutions=resolutions)
    supernet = Supernet(space, classes=3).eval()
    for arch in (space.smallest(), space.largest()):
        network = space.network(arch)
        x = torch.randn(2, 3, network.resolution, network.resolution)
        assert torch.allclose(supernet(x, network), supernet.extract(network)(x), atol=1e-6)


def test_a_block_can_start_as_its_shortcuts() -> None:
    spec = levit(4)
    block = Block([spec]).eval()
    assert block.residual_ends == {"attended", "project"}
    zero_residual_scales(torch.nn.ModuleList([block]))
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x, spec), x)


def test_norms_of_written_python_fold_into_matrix_products(tmp_path: Path) -> None:
    torch.manual_seed(0)
    static = StaticNetwork(reference_network("levit_128s", resolution=64, width=0.25, classes=3)).eval()
    with torch.no_grad():
        for name, tensor in static.state_dict().items():
            if "running" in name or "norm" in name:
                tensor.uniform_(0.5, 1.5) if tensor.is_floating_point() else None
    about = Metadata(classes=("a", "b", "c"), mean=(0.0,) * 3, std=(1.0,) * 3, network=static.network)
    code, state = write_python(static, name="levit", about=about)
    (tmp_path / "network.py").write_text(code)
    save_file(state, tmp_path / "weights.safetensors")
    x = torch.randn(2, 3, 64, 64)
    expected = static(x).detach()
    folded = fold_norms(load_module(tmp_path))
    assert torch.allclose(folded(x), expected, atol=1e-4 * float(expected.abs().max()))
    left = [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(left) == 1, "only the norm before the classifier has no product"
