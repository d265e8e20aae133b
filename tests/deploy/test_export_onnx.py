from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import Tensor

from nas.deploy import check_parity, evaluate_artefact, export_onnx, open_artefact, read_metadata
from nas.deploy.formats import find_format
from nas.errors import UserError
from nas.latency.kit.graphs import network_model
from nas.network import reference_network
from nas.nn import StaticNetwork
from nas.space import SearchSpace
from nas.training.data import Normalization


def operations(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(str(path)).graph.node]


def test_file_computes_what_the_network_computes(
    model: StaticNetwork, exported: Path, images: Tensor
) -> None:
    batch = images.clone()
    with torch.no_grad():
        logits = model(batch)
    assert logits.std(0).max() > 0.1 * logits.abs().max()  # else parity would show nothing
    parity = check_parity(model, exported, batch)
    assert parity.largest_relative_error < 1e-5
    assert parity.top1_agreement == 1
    assert parity.images == 16


@pytest.mark.parametrize("count", [1, 3, 16])
def test_batch_is_free(exported: Path, count: int, images: Tensor) -> None:
    assert open_artefact(exported)(images[:count].numpy()).shape == (count, 10)


def test_graph_holds_inference_only(model: StaticNetwork, exported: Path) -> None:
    found = operations(exported)
    convolutions = sum(type(op).__name__ == "Conv2d" for block in model.network.blocks for op in block.ops)
    assert found.count("Conv") == convolutions
    assert "BatchNormalization" not in found
    assert "ReduceMean" not in found
    assert found[-1] == "Gemm"  # nothing behind the classifier
    assert set(found) <= {
        *("Conv", "Relu", "HardSwish", "HardSigmoid", "Add", "Mul", "GlobalAveragePool", "Flatten", "Gemm")
    }


def test_file_is_alone_and_names_nothing_of_the_machine(exported: Path) -> None:
    assert [path.name for path in exported.parent.iterdir()] == ["winner.onnx"]
    content = exported.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content
    assert b"stack_trace" not in content


def test_names_and_opset(exported: Path) -> None:
    proto = onnx.load(str(exported))
    assert [value.name for value in proto.graph.input] == ["images"]
    assert [value.name for value in proto.graph.output] == ["logits"]
    assert proto.opset_import[0].version == 20
    assert proto.producer_name == "hwnas"


def test_metadata_is_read_back(
    model: StaticNetwork, exported: Path, classes: tuple[str, ...], normalize: Normalization
) -> None:
    metadata = read_metadata(exported)
    assert metadata.network == model.network
    assert metadata.classes == classes
    assert (metadata.mean, metadata.std) == (normalize.mean, normalize.std)
    props = {item.key: item.value for item in onnx.load(str(exported)).metadata_props}
    assert props["resolution"] == "32"


def test_export_is_quiet_repeatable_and_leaves_the_model_alone(
    model: StaticNetwork,
    exported: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    classes: tuple[str, ...],
    normalize: Normalization,
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    again = export_onnx(model, tmp_path / "again.onnx", classes=classes, normalize=normalize)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert again.read_bytes() == exported.read_bytes()
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_mobilenet_v3_keeps_its_head(
    tmp_path: Path,
    images: Tensor,
    classes: tuple[str, ...],
    normalize: Normalization,
    randomise: Callable[..., StaticNetwork],
) -> None:
    network = reference_network("mobilenet_v3_small", resolution=32, width=0.25, classes=10, input_channels=1)
    model = randomise(StaticNetwork(network))
    path = export_onnx(model, tmp_path / "v3.onnx", classes=classes, normalize=normalize)
    assert check_parity(model, path, images).largest_relative_error < 1e-4
    assert operations(path).count("Gemm") == 2


def test_other_weights_fail_parity(
    model: StaticNetwork, exported: Path, images: Tensor, randomise: Callable[..., StaticNetwork]
) -> None:
    other = randomise(StaticNetwork(model.network), seed=1)
    with pytest.raises(
        UserError, match=r"does not compute what the trained network computes.*16 images"
    ) as error:
        check_parity(other, exported, images)
    assert "0.0001 is allowed" in str(error.value)


def test_not_a_number_fails_parity(model: StaticNetwork, exported: Path, images: Tensor) -> None:
    batch = images.clone()
    batch[0] = torch.nan
    with pytest.raises(UserError, match="nan"):
        check_parity(model, exported, batch)


def test_file_of_another_network_fails_parity(model: StaticNetwork, tmp_path: Path, images: Tensor) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["images"], ["logits"])],
        "network",
        [value("images", onnx.TensorProto.FLOAT, ["N", 1, 32, 32])],
        [value("logits", onnx.TensorProto.FLOAT, ["N", 1024])],
    )
    path = tmp_path / "flat.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), str(path))
    with pytest.raises(UserError, match=r"shape \(16, 1024\), the network \(16, 10\)"):
        check_parity(model, path, images)


def test_accuracy_is_the_files_own(model: StaticNetwork, exported: Path, images: Tensor) -> None:
    batch = images.clone()
    with torch.no_grad():
        labels = model(batch).argmax(1)
    labels[:4] = (labels[:4] + 1) % 10
    accuracy = evaluate_artefact(exported, [(batch[:10], labels[:10]), (batch[10:], labels[10:])])
    assert (accuracy.correct, accuracy.total) == (12, 16)
    truth = torch.bincount(labels, minlength=10).tolist()
    right = torch.bincount(labels[4:], minlength=10).tolist()  # those that were left as the network has them
    assert accuracy.by_class == tuple(zip(right, truth, strict=True))


def test_channels_last_images_are_fine(model: StaticNetwork, exported: Path, images: Tensor) -> None:
    batch = images.contiguous(memory_format=torch.channels_last)
    assert check_parity(model, exported, batch).top1_agreement == 1


@pytest.mark.parametrize("opset", [18, 19, 20, 23])
def test_every_opset_is_written(
    opset: int,
    tmp_path: Path,
    classes: tuple[str, ...],
    normalize: Normalization,
    randomise: Callable[..., StaticNetwork],
) -> None:
    space = SearchSpace.load("convnext")  # with Gelu, which is an operator since opset 20
    network = dataclasses.replace(
        space.network(space.smallest(), classes=10, input_channels=1), resolution=32
    )
    model = randomise(StaticNetwork(network))
    path = export_onnx(model, tmp_path / "x.onnx", classes=classes, normalize=normalize, opset=opset)
    assert onnx.load(str(path)).opset_import[0].version == opset
    assert check_parity(model, path, torch.randn(4, 1, 32, 32)).largest_relative_error < 1e-4


def test_the_file_is_node_for_node_what_a_table_measures(model: StaticNetwork, exported: Path) -> None:
    measured = network_model(model.network, rng=np.random.default_rng(0)).graph
    shipped = onnx.load(str(exported)).graph
    assert [node.op_type for node in shipped.node] == [node.op_type for node in measured.node]
    assert [node.attribute for node in shipped.node] == [node.attribute for node in measured.node]
    sizes = [[tuple(item.dims) for item in graph.initializer] for graph in (shipped, measured)]
    assert sizes[0] == sizes[1]


def test_training_mode_is_refused(
    model: StaticNetwork, tmp_path: Path, classes: tuple[str, ...], normalize: Normalization
) -> None:
    training = StaticNetwork(model.network)
    with pytest.raises(AssertionError, match="eval"):
        export_onnx(training, tmp_path / "x.onnx", classes=classes, normalize=normalize)


def test_wrong_number_of_classes(
    model: StaticNetwork, tmp_path: Path, classes: tuple[str, ...], normalize: Normalization
) -> None:
    with pytest.raises(UserError, match="2 class names for 10 outputs"):
        export_onnx(model, tmp_path / "x.onnx", classes=("a", "b"), normalize=normalize)


def test_wrong_number_of_channels(
    model: StaticNetwork, tmp_path: Path, classes: tuple[str, ...], normalize: Normalization
) -> None:
    grey = Normalization(mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(UserError, match="3 channels for a network with 1 input channels"):
        export_onnx(model, tmp_path / "x.onnx", classes=classes, normalize=grey)


def test_opset_out_of_range(
    model: StaticNetwork, tmp_path: Path, classes: tuple[str, ...], normalize: Normalization
) -> None:
    with pytest.raises(UserError, match="opset is 17; 18 to 23 can be written"):
        export_onnx(model, tmp_path / "x.onnx", classes=classes, normalize=normalize, opset=17)


def test_unknown_format() -> None:
    with pytest.raises(UserError, match=r"unknown export format 'onx'; did you mean onnx"):
        find_format("onx")


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"not a model")
    for read in (open_artefact, read_metadata):
        with pytest.raises(UserError, match="does not exist; export the network first"):
            read(tmp_path / "missing.onnx")
        with pytest.raises(UserError, match=r"damaged\.onnx.*export it again"):
            read(damaged)
