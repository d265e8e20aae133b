from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from torch import Tensor

from nas.deploy import (
    Artefact,
    Spread,
    check_parity,
    read_manifest,
    read_metadata,
    write_artefacts,
    write_manifest,
)
from nas.deploy.artefact import file_stem
from nas.errors import UserError
from nas.files import sha256
from nas.nn import StaticNetwork
from nas.training.data import Normalization


@pytest.fixture(scope="module")
def deployed(
    model: StaticNetwork,
    tmp_path_factory: pytest.TempPathFactory,
    images: Tensor,
    classes: tuple[str, ...],
    normalize: Normalization,
) -> tuple[Path, tuple[Artefact, ...]]:
    folder = tmp_path_factory.mktemp("deploy")
    artefacts = write_artefacts(
        model, folder, name="mobilenet_v2 ×0.5", classes=classes, normalize=normalize, images=images
    )
    return folder, artefacts


def test_artefact_is_described(deployed: tuple[Path, tuple[Artefact, ...]]) -> None:
    folder, (artefact,) = deployed
    path = folder / "mobilenet_v2_x0.5.onnx"
    assert (artefact.name, artefact.format, artefact.file) == ("mobilenet_v2 ×0.5", "onnx", path.name)
    assert artefact.sha256 == sha256(path)
    assert artefact.size_bytes == path.stat().st_size
    assert artefact.parity.largest_relative_error < 1e-4
    assert set(artefact.versions) == {"torch", "onnx", "onnxruntime"}
    assert artefact.test_correct is None and artefact.latency_ms is None


def test_manifest_is_read_back(deployed: tuple[Path, tuple[Artefact, ...]]) -> None:
    folder, (artefact,) = deployed
    full = dataclasses.replace(
        artefact,
        test_correct=350,
        test_total=360,
        latency_ms=Spread(value=0.2, low=0.19, high=0.23, raw=0.21, typical=0.25, slowdown=1.05),
        device={"name": "laptop", "threads": 1},
    )
    path = write_manifest(folder, [full, artefact])
    assert read_manifest(folder, check_files=True) == (full, artefact)
    item = json.loads(path.read_text())["artefacts"][0]
    numbers = {"value": 0.2, "low": 0.19, "high": 0.23, "raw": 0.21, "typical": 0.25, "slowdown": 1.05}
    assert item["latency_ms"] == {**numbers, "disturbed": ""}


def test_changed_file_is_noticed(deployed: tuple[Path, tuple[Artefact, ...]], tmp_path: Path) -> None:
    folder, artefacts = deployed
    (tmp_path / artefacts[0].file).write_bytes((folder / artefacts[0].file).read_bytes() + b"x")
    write_manifest(tmp_path, artefacts)
    assert read_manifest(tmp_path) == artefacts
    with pytest.raises(UserError, match=r"was changed after manifest\.json was written"):
        read_manifest(tmp_path, check_files=True)


def test_missing_and_foreign_manifests(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"artefacts": [{"name": "winner"}]}')
    with pytest.raises(UserError, match=r"cannot be read .*export again: nas export"):
        read_manifest(tmp_path)


def test_failed_export_leaves_earlier_files(
    model: StaticNetwork, tmp_path: Path, images: Tensor, classes: tuple[str, ...], normalize: Normalization
) -> None:
    earlier = tmp_path / "winner.onnx"
    earlier.write_bytes(b"earlier")
    with pytest.raises(UserError):
        write_artefacts(model, tmp_path, name="winner", classes=("a",), normalize=normalize, images=images)
    with pytest.raises(UserError, match="unknown export format 'gguf'"):
        write_artefacts(
            model,
            tmp_path,
            name="winner",
            classes=classes,
            normalize=normalize,
            images=images,
            formats=("gguf",),
        )
    assert earlier.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [earlier]


def test_file_names() -> None:
    assert file_stem("winner") == "winner"
    assert file_stem("mobilenet_v2 ×0.35") == "mobilenet_v2_x0.35"
    assert file_stem("../a/b") == "a_b"
    assert file_stem("…") == "network"


def test_a_manifest_is_read_without_pytorch() -> None:
    code = "import sys, nas.deploy; print({'torch', 'onnx', 'onnxruntime'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_an_int8_file_holds_int8_and_is_judged_by_its_answers(
    model: StaticNetwork,
    tmp_path: Path,
    images: Tensor,
    classes: tuple[str, ...],
    normalize: Normalization,
) -> None:
    [artefact] = write_artefacts(
        model,
        tmp_path,
        name="winner",
        classes=classes,
        normalize=normalize,
        images=images,
        formats=["onnx_int8"],
        tolerance=1e-4,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["winner.int8.onnx"], "no FP32 file ships beside it"
    proto = onnx.load(tmp_path / artefact.file)
    weights = {item.name: item.data_type for item in proto.graph.initializer}
    made = {name: node for node in proto.graph.node for name in node.output}
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        assert weights[made[node.input[1]].input[0]] == onnx.TensorProto.INT8
    assert read_metadata(tmp_path / artefact.file).classes == classes
    assert artefact.parity.largest_relative_error > 1e-4
    assert artefact.parity.top1_agreement > 0.8


def test_an_int8_file_that_answers_otherwise_is_refused(
    model: StaticNetwork,
    tmp_path: Path,
    images: Tensor,
    classes: tuple[str, ...],
    normalize: Normalization,
) -> None:
    [artefact] = write_artefacts(
        model,
        tmp_path,
        name="winner",
        classes=classes,
        normalize=normalize,
        images=images,
        formats=["onnx_int8"],
    )
    other = copy.deepcopy(model)
    for parameter in list(other.parameters())[-2:]:  # of the classifier
        parameter.data.neg_()
    with pytest.raises(UserError, match=r"of 16 images get the same class \(70% are needed\)"):
        check_parity(other, tmp_path / artefact.file, images, format="onnx_int8")
