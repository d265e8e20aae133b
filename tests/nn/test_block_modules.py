"""Every kind of block as a module and as an ONNX model, both built from the same operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from nas.blocks import Rounding, Shape, make_settings
from nas.blocks.operation import OPERATIONS
from nas.latency.kit.graphs import block_model
from nas.network import reference_network
from nas.nn import Block, StaticNetwork

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("conv", {"width": 24, "activation": "gelu"}),
    ("depthwise_separable", {"width": 24, "stride": 2}),
    ("inverted_residual", {"width": 16, "squeeze": 0.25}),
    ("inverted_residual", {"width": 24, "expand": 1, "stride": 2, "activation": "silu"}),
    ("fused_inverted_residual", {"width": 16}),
    ("fused_inverted_residual", {"width": 24, "stride": 2, "expand": 1}),
    *(
        ("universal_inverted_bottleneck", {"width": w, "stride": s, "start_kernel": a, "middle_kernel": b})
        for w, s, a, b in ((16, 1, 3, 5), (24, 2, 0, 3), (24, 2, 5, 0), (16, 1, 0, 0), (24, 2, 0, 0))
    ),
    *(
        (kind, {"width": w, "stride": s, "shortcut": shortcut})
        for kind in ("residual_basic", "residual_bottleneck")
        for w, s, shortcut in (
            (16, 1, "none"),
            (24, 2, "none"),
            (24, 2, "projection"),
            (24, 2, "pool_projection"),
        )
    ),
    ("convnext", {"width": 16}),
    ("convnext", {"width": 24, "stride": 2}),
    ("convnext", {"width": 24, "kernel": 3}),
    ("patchify", {"width": 24}),
    ("layer_norm", {}),
    ("tokens", {"width": 24, "patch": 4}),
    ("tokens", {"width": 24, "patch": 2, "class_token": True, "norm": True, "epsilon": 1e-5}),
    ("first_token", {}),
    ("vit", {"heads": 2, "head_dim": 8}),
    ("swin", {"width": 16, "head_dim": 8, "window": 4}),
    ("linear_attention", {"head_dim": 8}),
    ("levit", {"width": 16, "heads": 3, "head_dim": 4}),
    ("levit", {"width": 24, "stride": 2, "head_dim": 8, "expand": 1, "activation": "gelu"}),
    ("batch_norm", {}),
    ("gated_conv", {}),
    ("state_space", {"head_dim": 8}),
    ("state_space", {"head_dim": 4, "ratio": 2, "state": 8, "mlp": 2, "chunk": 20, "kernel": 5}),
    ("gated_conv", {"expand": 1, "share": 1, "kernel": 3, "activation": "silu"}),
    ("patchify", {"width": 24, "stride": 2, "patch_kernel": 3, "activation": "gelu"}),
    ("linear_attention", {"head_dim": 4, "scale_kernel": 0, "expand": 2}),
    ("inverted_residual", {"width": 16, "biased": True}),
    ("layer_norm", {"activation": "hard_swish"}),
    ("swin", {"width": 24, "head_dim": 12, "window": 3, "stride": 2}),
    ("swin", {"width": 24, "head_dim": 12, "window": 7}),
    ("vit", {"heads": 3, "head_dim": 4, "expand": 2, "activation": "hard_swish", "scale": True}),
    ("pool", {}),
    ("max_pool", {}),
    *(
        ("operation", {"width": 16, "operation": operation})
        for operation in OPERATIONS
        if operation != "identity"
    ),
    *(("operation", {"width": 24, "stride": 2, "operation": operation}) for operation in OPERATIONS),
]


@pytest.mark.parametrize(("kind", "fields"), KINDS)
@pytest.mark.parametrize("size", [8, 9])
def test_a_block_has_the_shape_and_the_cost_that_it_states(
    kind: str, fields: dict[str, Any], size: int
) -> None:
    spec = make_settings(kind, fields).lower(Shape(16, size, size), Rounding())
    block = Block([spec])
    with FlopCounterMode(display=False) as counter:
        out = block(torch.randn(2, 16, size, size), spec)
    assert out.shape == (2, spec.out_shape.channels, spec.out_shape.height, spec.out_shape.width)
    assert counter.get_total_flops() == 2 * 2 * spec.macs
    assert sum(p.numel() for p in block.parameters()) == spec.params
    if spec.params:
        out.square().sum().backward()
        assert all(p.grad is not None for p in block.parameters())


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_a_block_s_onnx_model_has_the_same_shape(kind: str, fields: dict[str, Any]) -> None:
    spec = make_settings(kind, fields).lower(Shape(16, 9, 9), Rounding())
    model = block_model(spec, batch=2, rng=np.random.default_rng(0))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"input": np.random.default_rng(1).standard_normal((2, 16, 9, 9), np.float32)})
    assert out.shape == (2, spec.out_shape.channels, spec.out_shape.height, spec.out_shape.width)
    assert np.isfinite(out).all()


def test_an_identity_costs_nothing() -> None:
    spec = make_settings("operation", {"width": 16, "operation": "identity"}).lower(
        Shape(16, 8, 8), Rounding()
    )
    x = torch.randn(1, 16, 8, 8)
    assert Block([spec])(x, spec) is x
    assert (spec.ops, spec.macs, spec.out_shape) == ((), 0, Shape(16, 8, 8))


def test_paths_of_a_place_share_no_weights() -> None:
    specs = [
        make_settings("operation", {"width": 16, "operation": operation}).lower(Shape(16, 8, 8), Rounding())
        for operation in OPERATIONS
    ]
    block = Block(specs)
    x = torch.randn(2, 16, 8, 8)
    for spec in specs:
        block.zero_grad(set_to_none=True)
        out = block(x, spec)
        if spec.params:
            out.sum().backward()
        touched = {name.split(".")[0] for name, p in block.named_parameters() if p.grad is not None}
        assert touched == {op.role for op in spec.ops if op.role}


def test_kernels_share_their_centre_and_widths_their_first_channels() -> None:
    large, small = (
        make_settings("universal_inverted_bottleneck", {"width": w, "start_kernel": k, "expand": e}).lower(
            Shape(16, 8, 8), Rounding()
        )
        for w, k, e in ((32, 5, 4), (24, 3, 2))
    )
    shared = Block([large, small])
    alone = Block([small])
    alone.take(shared)
    start = dict(shared.named_modules())["start"].conv.weight
    assert torch.equal(dict(alone.named_modules())["start"].conv.weight, start[:, :, 1:4, 1:4])
    expand = dict(shared.named_modules())["expand"].conv.weight
    assert torch.equal(dict(alone.named_modules())["expand"].conv.weight, expand[:32])
    x = torch.randn(2, 16, 8, 8)
    assert torch.allclose(shared.eval()(x, small), alone.eval()(x, small), atol=1e-6)


def test_weights_without_values_are_not_drawn() -> None:
    """PyTorch loads its compiler to draw them, which takes seconds."""
    called = set[str]()

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.add(func.__name__)
            return func(*args, **kwargs or {})

    network = reference_network("mobilenet_v2", width=0.1)
    for device, is_drawn in (("meta", False), ("cpu", True)):
        called.clear()
        with torch.device(device), Watch():
            StaticNetwork(network)
        assert ("normal_" in called) is is_drawn
