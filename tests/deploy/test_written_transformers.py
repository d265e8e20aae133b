"""Files of transformers, windows, LeViT, linear attention and state spaces: any batch, no idle transposes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from nas.blocks import make_settings
from nas.deploy.lowered import write_network
from nas.network import NetworkSpec, reference_network
from nas.nn import StaticNetwork

NAMES = ("deit_tiny", "swin_t", "efficientvit_b0", "mambaout_femto", "levit_128s", "state_space")


def network(name: str) -> NetworkSpec:
    if name != "state_space":
        return reference_network(name, resolution=80, width=0.5, classes=5)
    return NetworkSpec(
        resolution=80,
        classes=5,
        stem=(make_settings("tokens", {"width": 32, "patch": 8}),),
        stages=((make_settings("state_space", {"head_dim": 8, "mlp": 2}),) * 2,),
        head=(make_settings("layer_norm", {}), make_settings("pool", {})),
    )


@pytest.fixture(scope="module", params=NAMES)
def written(request: pytest.FixtureRequest) -> tuple[StaticNetwork, onnx.ModelProto]:
    torch.manual_seed(0)
    model = StaticNetwork(network(request.param)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3)  # fresh weights are so small that images hardly differ
    return model, write_network(model, batch="batch")


def test_one_file_takes_one_image_and_three(written: tuple[StaticNetwork, onnx.ModelProto]) -> None:
    model, proto = written
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        images = torch.randn(count, 3, 80, 80, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            expected = model(images).numpy()
        found = session.run(None, {"images": images.numpy()})[0]
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * np.abs(expected).max()


def test_a_file_has_standard_operators_of_opset_20(written: tuple[StaticNetwork, onnx.ModelProto]) -> None:
    _, proto = written
    assert [(item.domain, item.version) for item in proto.opset_import] == [("", 20)]
    assert {node.domain for node in proto.graph.node} == {""}
    onnx.checker.check_model(proto, full_check=True)


def test_no_transpose_undoes_another(written: tuple[StaticNetwork, onnx.ModelProto]) -> None:
    _, proto = written
    orders = {
        node.output[0]: (node.input[0], helper.get_node_attr_value(node, "perm"))
        for node in proto.graph.node
        if node.op_type == "Transpose"
    }
    for x, order in orders.values():
        if x in orders:
            before = orders[x][1]
            assert [before[axis] for axis in order] != sorted(order)
