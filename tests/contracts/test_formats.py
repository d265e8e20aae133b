"""What every export format must do: write a trained network, load it, and answer as the network does."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from nas.blocks import BlockSettings, make_settings, ops
from nas.deploy import Artefact, evaluate_artefact, format_names, open_artefact, write_artefacts
from nas.deploy.artefact import _put_aside
from nas.deploy.formats import ConverterError, Format, Predict, Source, find_format
from nas.deploy.formats.pytorch import load_module
from nas.deploy.formats.tensorrt import builds_here
from nas.deploy.isolated import convert
from nas.deploy.parity import ParityError
from nas.deploy.python_code import python_of
from nas.deploy.readme import write_readme
from nas.errors import UserError
from nas.latency.kit.graphs import write_op
from nas.network import NetworkSpec
from nas.nn import StaticNetwork
from nas.quantization import check_images
from nas.training.data import Augment, MemoryImages, load_data, subset
from nas.training.optimization import Compute
from nas.training.prepared import Prepared

FAST = ("onnx", "onnx_fp16", "onnx_int8", "pytorch", "tensorrt_int8")
"""Formats that are written within this process; the others start a converter of some seconds."""

FORMATS = [pytest.param(name, marks=[] if name in FAST else [pytest.mark.long]) for name in format_names()]
BY_FORMAT = pytest.mark.parametrize("name", FORMATS)

LEAST_AGREEMENT = {"fp32": 1.0, "fp16": 0.99, "int8": 0.97}
LEAST_SQNR_DB = {"fp32": 90.0, "fp16": 45.0, "int8": 12.0}
LEAST_SQNR_DB_OF = {"litert_int8": 25.0}
"""Of formats whose quantiser would do worse without our settings: LiteRT's own ranges gave 13 dB."""


@dataclass(frozen=True)
class Trained:
    """A network that knows digits, and the digits."""

    model: StaticNetwork
    data: Prepared

    @property
    def resolution(self) -> int:
        return self.model.network.resolution

    def images(self, count: int) -> Tensor:
        x, _ = next(iter(self.data.plain(self.data.splits.validation, resolution=self.resolution)))
        return x[:count]


def block(kind: str, **fields: Any) -> BlockSettings:
    return make_settings(kind, fields)


NETWORK = NetworkSpec(
    resolution=16,
    input_channels=1,
    classes=10,
    stem=(block("conv", width=16, stride=2, activation="hard_swish"),),
    stages=(
        (block("inverted_residual", width=16, expand=2, activation="relu"),),
        (
            block("inverted_residual", width=24, expand=3, stride=2, kernel=5, squeeze=0.25),
            block("inverted_residual", width=24, expand=3, activation="hard_swish"),
        ),
    ),
    head=(block("pool"),),
)
"""A small network with depthwise convolutions, shortcuts, squeeze-excite and three activations."""


@pytest.fixture(scope="module")
def trained() -> Trained:
    """The network after some seconds of training."""
    torch.manual_seed(0)
    splits = load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2)
    data = Prepared.of(splits, augment=Augment(flip=False), compute=Compute.choose("cpu"))
    model = StaticNetwork(NETWORK)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=5)
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        for x, y in data.training(batch_size=32, resolution=NETWORK.resolution, rng=rng):
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    return Trained(model.eval(), data)


@dataclass(frozen=True)
class Written:
    """A format's artefact of the trained network, and its folder."""

    folder: Path
    artefact: Artefact

    @property
    def path(self) -> Path:
        return self.folder / self.artefact.file


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Written]:
    """The artefacts that are written already, by format."""
    return {}


@pytest.fixture
def written(
    name: str,
    trained: Trained,
    files: dict[str, Written],
    tmp_path_factory: pytest.TempPathFactory,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Written]:
    kind = find_format(name)
    if missing := kind.missing():
        pytest.skip(f"needs {', '.join(missing)}: {kind.install_command}")
    if kind.lacks_converter():
        pytest.skip("its converter is not installed: export.install=true")
    if name not in files:
        folder = tmp_path_factory.mktemp(name)
        files[name] = Written(folder, write(trained, folder, name)[0])
    yield files[name]
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", ""), "converters print into their log"


def write(
    trained: Trained,
    folder: Path,
    *names: str,
    batch: int | None = None,
    tolerance: float | None = None,
    calibration: Tensor | None = None,
    skip: Callable[[str, ConverterError], None] | None = None,
) -> tuple[Artefact, ...]:
    return write_artefacts(
        trained.model,
        folder,
        name="net",
        classes=trained.data.splits.classes,
        normalize=trained.data.normalize,
        images=trained.images(128),
        formats=names,
        batch=batch,
        tolerance=tolerance,
        calibration=calibration,
        skip=skip,
        run="pictures",
        store_size=trained.data.splits.store_size,
    )


def test_the_network_is_trained(trained: Trained) -> None:
    x, y = next(iter(trained.data.plain(trained.data.splits.test, resolution=trained.resolution)))
    with torch.no_grad():
        answers = trained.model(x).argmax(1)
    assert (answers == y).float().mean() > 0.9
    assert len(answers.unique()) == 10


@BY_FORMAT
def test_it_computes_what_the_network_computes(name: str, written: Written) -> None:
    parity, kind = written.artefact.parity, find_format(name)
    assert parity is not None
    assert parity.images == 128
    assert parity.top1_agreement >= LEAST_AGREEMENT[kind.PRECISION]
    if parity.largest_relative_error > 0:
        least = LEAST_SQNR_DB_OF.get(name, LEAST_SQNR_DB[kind.PRECISION])
        assert parity.sqnr_db is not None and parity.sqnr_db > least
    if kind.AGREEMENT is None:
        assert parity.largest_relative_error < kind.TOLERANCE


@pytest.mark.parametrize("name", ["onnx", "onnx_fp16", "onnx_int8"])
def test_an_onnx_file_passes_onnxs_own_checker(name: str, written: Written) -> None:
    """ONNX Runtime also reads files that it refuses, with operators in any order for example."""
    onnx.checker.check_model(str(written.path), full_check=True)


@BY_FORMAT
def test_only_its_files_remain(name: str, written: Written) -> None:
    left = {path.name for path in written.folder.iterdir()} - {"logs"}
    assert left == {written.artefact.file}
    assert written.artefact.file == f"net{find_format(name).SUFFIX}"
    assert written.artefact.size_bytes > 1000
    assert set(written.artefact.versions) == set(find_format(name).PACKAGES)


@BY_FORMAT
def test_it_predicts_any_number_of_images(name: str, written: Written, trained: Trained) -> None:
    predict, x = open_artefact(written.path, format=name), trained.images(5).numpy()
    assert predict(x).shape == (5, 10)
    if name == "onnx_dynamic_int8":  # its ranges are those of the whole batch
        x = x[:1].repeat(5, axis=0)
    assert predict(x[:1]) == pytest.approx(predict(x)[:1], abs=1e-3)


@BY_FORMAT
def test_its_accuracy_is_counted(name: str, written: Written, trained: Trained) -> None:
    test = trained.data.plain(trained.data.splits.test, resolution=trained.resolution)
    accuracy = evaluate_artefact(written.path, test, format=name)
    assert accuracy.total == len(trained.data.splits.test)
    assert accuracy.value > 0.85


@BY_FORMAT
def test_a_fixed_batch(name: str, written: Written, trained: Trained, tmp_path: Path) -> None:
    [artefact] = write(trained, tmp_path, name, batch=3)
    assert artefact.parity is not None and artefact.parity.top1_agreement > 0.95
    assert open_artefact(tmp_path / artefact.file, format=name)(trained.images(4).numpy()).shape == (4, 10)


@BY_FORMAT
def test_a_missing_or_damaged_file_is_a_user_error(name: str, written: Written, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; export the network first"):
        open_artefact(tmp_path / written.artefact.file, format=name)
    damaged = tmp_path / "damaged" / written.artefact.file
    if written.path.is_dir():
        damaged.mkdir(parents=True)
        for file in written.path.iterdir():
            (damaged / file.name).write_bytes(b"damaged")
    else:
        damaged.parent.mkdir()
        damaged.write_bytes(written.path.read_bytes()[:200])
    with pytest.raises(UserError, match="export it again: nas export"):
        open_artefact(damaged, format=name)


MNN_PRINTS = "The device supports: "
"""The beginning of a line about the processor, which MNN prints on the standard output when it is loaded."""

RUN_README = """
import re, shutil, sys

text = open("README.md", encoding="utf-8").read()
code = "".join(re.findall(r"^```python\\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
for image in sys.argv[1:]:
    shutil.copyfile(image, "image.jpg")
    exec(code, {})
assert "nas" not in sys.modules
"""


@pytest.mark.parametrize("batch", [None, pytest.param(3, marks=pytest.mark.long)])
@BY_FORMAT
def test_the_code_of_its_readme_predicts_the_class_of_an_image(
    name: str, batch: int | None, written: Written, trained: Trained, tmp_path: Path
) -> None:
    if name == "coreml" and sys.platform != "darwin":
        pytest.skip("Core ML runs on Apple's systems only")
    if name.startswith("tensorrt") and not builds_here():
        pytest.skip("engines of TensorRT run on a GPU")
    folder, artefact = written.folder, written.artefact
    if batch is not None:
        folder = tmp_path
        [artefact] = write(trained, folder, name, batch=batch)
    write_readme(folder, [artefact], title="net", classes=trained.data.splits.classes, see="")
    images = trained.data.splits.test
    assert isinstance(images, MemoryImages)
    chosen = [int((images.labels == label).nonzero()[0]) for label in (3, 0, 7)]
    for index in chosen:
        Image.fromarray(images.pixels[index, 0].numpy()).save(tmp_path / f"{index}.png")
    paths = [str(tmp_path / f"{index}.png") for index in chosen]
    done = subprocess.run(
        [sys.executable, "-c", RUN_README, *paths], cwd=folder, capture_output=True, text=True, check=False
    )
    for leftover in ("README.md", "image.jpg"):
        (folder / leftover).unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    x, _ = next(iter(trained.data.plain(subset(images, chosen), resolution=trained.resolution)))
    with torch.no_grad():
        expected = trained.model(x).argmax(1).tolist()
    printed = [line for line in done.stdout.splitlines() if not line.startswith(MNN_PRINTS)]
    assert printed == [trained.data.splits.classes[answer] for answer in expected]


@pytest.mark.skipif(builds_here(), reason="this machine builds the engine itself")
def test_an_engine_is_built_by_a_script_where_the_target_is(trained: Trained, tmp_path: Path) -> None:
    """TensorRT's scheme is symmetric whatever this machine's is; the script runs from anywhere."""
    [artefact] = write(trained, tmp_path, "tensorrt_int8")
    assert "has to be built on the target: sh net.int8.tensorrt/build.sh" in artefact.note
    assert "accuracy and parity are those of its ONNX file in ONNX Runtime" in artefact.note
    folder = tmp_path / artefact.file
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "build.sh", "build.pyz"}
    assert "trtexec --onnx=model.onnx" in (folder / "build.sh").read_text(encoding="utf-8")
    assert "--shapes=images:1x1x16x16" in (folder / "build.sh").read_text(encoding="utf-8")
    model = onnx.load(str(folder / "model.onnx"))
    zeros = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    points = [onnx.numpy_helper.to_array(each) for each in model.graph.initializer if each.name in zeros]
    assert points and all(point.dtype == np.int8 and not point.any() for point in points)
    if not find_spec("tensorrt"):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", str(folder / "build.sh")],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("error: tensorrt")


def test_metadata_say_how_an_image_becomes_an_input(trained: Trained, tmp_path: Path) -> None:
    write(trained, tmp_path, "pytorch")
    about = json.loads((tmp_path / "net.pytorch" / "metadata.json").read_text())
    assert about["classes"] == list("0123456789")
    assert (about["layout"], about["resolution"], about["crop"]) == ("NCHW", trained.resolution, 1.0)
    assert about["store_size"] == 8
    assert about["resize"] == "bilinear, antialiased"
    assert about["provenance"]["run"] == "pictures"


def test_a_backbone_has_a_map_for_each_stage(trained: Trained, tmp_path: Path) -> None:
    write(trained, tmp_path, "pytorch")
    backbone = load_module(tmp_path / "net.pytorch", features_only=True)
    maps = backbone(torch.zeros(2, 1, 32, 48))  # another size than the classifier's
    info = backbone.feature_info
    assert [tuple(each.shape) for each in maps] == [(2, 16, 16, 24), (2, 24, 8, 12)]
    assert (info.channels(), info.reduction()) == ([16, 24], [2, 4])
    assert info[1] == {"num_chs": 24, "reduction": 4, "module": "stages_1_1"}


def test_the_python_file_needs_no_nas(trained: Trained, tmp_path: Path) -> None:
    write(trained, tmp_path, "pytorch")
    code = "import sys, network; network.load(); print('nas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "net.pytorch",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "False", done.stderr


def crash(path: str) -> None:
    print("half a page")
    os.kill(os.getpid(), signal.SIGSEGV)


def fail(path: str) -> None:
    print("half a page", flush=True)
    raise RuntimeError("operator Gelu is unknown")


def fail_at_length(path: str) -> None:
    atexit.register(print, "Exception ignored in: <function __del__>\nbye")
    raise RuntimeError("operator Gelu is unknown\n  at the third layer\n\nSee the manual, chapter 12")


def exhaust(path: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(path: str) -> None:
    time.sleep(60)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (crash, r"the converter failed \(it crashed with SIGSEGV\)"),
        (fail, r"the converter failed \(RuntimeError: operator Gelu is unknown\); its output is in .*c\.log"),
        (fail_at_length, r"the converter failed \(RuntimeError: operator Gelu is unknown\); its output"),
        (exhaust, r"the converter failed \(it was killed, perhaps for lack of memory\)"),
        (hang, "did not finish within 3 s"),
    ],
)
def test_a_converter_that_does_not_finish_is_reported_in_one_line(
    function: Callable[[str], None], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConverterError, match=message) as error:
        convert(function, tmp_path, log=tmp_path / "c.log", timeout_s=3 if function is hang else 60)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
    assert function is not fail or "half a page" in (tmp_path / "c.log").read_text()


def test_a_format_whose_packages_are_missing_names_the_extra(trained: Trained, tmp_path: Path) -> None:
    class Other(Format):
        NAME = "other"
        SUFFIX = ".other"
        PACKAGES = ("torch", "no-such-package")
        EXTRA = "mobile"
        TOLERANCE = 0.0

        def write(self, source: Source, path: Path) -> None:
            raise AssertionError

        def open(self, path: Path) -> Predict:
            raise AssertionError

    with pytest.raises(
        UserError, match=r"other needs no-such-package; install with: pip install 'hwnas\[mob"
    ):
        Other().require()


@contextmanager
def without_form(forms: Any, operation: type[ops.Op]) -> Iterator[None]:
    """Takes the form of an operation out of a target."""
    form = forms.dispatch(operation)
    forms.register(operation, forms.dispatch(object))
    try:
        yield
    finally:
        forms.register(operation, form)


def test_a_format_that_lacks_an_operation_is_left_out(trained: Trained, tmp_path: Path) -> None:
    skipped = {}
    with without_form(python_of, ops.Add):
        files = write(
            trained, tmp_path, "pytorch", "onnx", skip=lambda file, error: skipped.update({file: str(error)})
        )
    assert [artefact.file for artefact in files] == ["net.onnx"]
    assert skipped == {
        "net.pytorch": "net.pytorch was not written: no Python form for Add; register one with "
        "python_of.register. The format does not know addition, an operation of stage 0 block 0 "
        "(inverted_residual) and 1 other block"
    }


def test_no_format_is_written_without_onnx(trained: Trained, tmp_path: Path) -> None:
    message = (
        r"net\.onnx was not written: no ONNX form for Add; .* addition, an operation of stage 0 block 0 "
    )
    with without_form(write_op, ops.Add), pytest.raises(ConverterError, match=message):
        write(trained, tmp_path, "pytorch", skip=lambda file, error: None)
    assert not list(tmp_path.iterdir())


def test_a_file_that_answers_otherwise_is_kept_aside(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"does not compute .* The file is kept as .*/net\.onnx\.rejected"):
        write(trained, tmp_path, "onnx", tolerance=1e-12)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx.rejected"]


def test_an_int8_file_of_wrong_calibration_images_is_rejected(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(
        ParityError, match=r"answers otherwise .*\(70% are needed\)\. export\.int8_loss=1 keeps"
    ):
        write(trained, tmp_path, "onnx_int8", calibration=100 * trained.images(64))
    assert [path.name for path in tmp_path.glob("*int8*")] == ["net.int8.onnx.rejected"]


def test_it_is_put_aside_again(trained: Trained, tmp_path: Path) -> None:
    rejected = tmp_path / "rejected"
    (rejected / "net.pytorch.rejected").mkdir(parents=True)
    (rejected / "net.pytorch.rejected" / "old").touch()
    path = tmp_path / "net.pytorch"
    path.mkdir()
    _put_aside(path, rejected)
    assert [each.name for each in rejected.iterdir()] == ["net.pytorch.rejected"]
    assert not list((rejected / "net.pytorch.rejected").iterdir()) and not path.exists()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((0, 1, 8, 8), np.float32), "there are no images to calibrate INT8 on"),
        (np.full((5, 1, 8, 8), 0.5, np.float32), "all pixels of the 5 calibration images are equal"),
        (np.tile(np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8), (4, 1, 1, 1)), "all 4 calibration"),
    ],
)
def test_images_that_show_no_range_are_refused(
    trained: Trained, tmp_path: Path, images: np.ndarray, message: str
) -> None:
    with pytest.raises(
        UserError, match=f"{message}.*; INT8 needs different training images, better 32 or more"
    ):
        check_images(images)
    with pytest.raises(UserError, match=message):
        write(trained, tmp_path, "onnx_int8", calibration=torch.from_numpy(images))
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_one_image_may_calibrate() -> None:
    check_images(np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8))


def test_a_converter_that_writes_nothing_is_reported(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.deploy.formats.ort.optimise", lambda source, path: None)
    monkeypatch.setattr(
        "nas.deploy.formats.ort.convert", lambda function, *arguments, log: function(*arguments)
    )
    with pytest.raises(ConverterError, match=r"net\.ort was not written: the converter wrote nothing"):
        write(trained, tmp_path, "ort")
    assert not (tmp_path / "net.ort").exists()
