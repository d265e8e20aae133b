"""What CONTRIBUTING.md shows works, in another folder and without touching ``nas/``."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest

from nas.errors import UserError
from nas.latency import load_table
from nas.space import SearchSpace
from tests.processes import python

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)

TINY = (
    "train.epochs=1",
    "train.calibration_images=32",
    "search.trials=8",
    "table.budget=1s",
    "table.correction_networks=2",
    "table.validation_networks=2",
    "finish.epochs=1",
    "finish.extremes=false",
    "finish.baseline_widths=[]",
    "export.measure_budget=1s",
)
MAKE = ("make test", "make coverage", "make format", "make test-long", "make mutants seed=1")
TABLE = "nas table space=mine device=desk table.budget=1m run_dir=runs/desk"
PARTS = (
    "nas run modules=[my_parts] data=numpy_files train.recipe=extremes search.sampler=early_tpe "
    "tracker=jsonl 'search.objectives=[accuracy,latency,blocks]' run_dir=runs/mine"
)
RUNTIME = (
    "nas table modules=[my_runtime] space=mine device.name=slow device.runtime=onnx table.budget=1m "
    "run_dir=runs/slow"
)

MICRO_MODELS = """
import numpy, onnx
from nas.latency.kit.graphs import block_model
from nas.space import SearchSpace

kinds = [block for block in SearchSpace.load("mine").block_specs() if block.KIND == "conv_excite"]
for block in kinds:
    model = onnx.shape_inference.infer_shapes(block_model(block, rng=numpy.random.default_rng(0)))
    pixels = {v.name: numpy.prod([d.dim_value for d in v.type.tensor_type.shape.dim][2:])
              for v in [*model.graph.value_info, *model.graph.output]}
    sizes = {w.name: numpy.prod(w.dims) for w in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    macs = sum(sizes[node.input[1]] * pixels[node.output[0]] for node in convolutions)
    assert macs == block.macs, block.key
print(len(kinds))
"""

BLOCKS_OF_AGAIN = """
from pathlib import Path
from nas.latency import load_table
from nas.plugins import load_module

load_module("my_blocks", folder=Path("search_spaces"))
print(len(load_table("again.json").costs))
"""

TRAIN_A_LITTLE = """
network = space.network(space.largest(), classes=10)
images, labels = torch.randn(4, 3, network.resolution, network.resolution), torch.tensor([0, 1, 2, 0])
optimizer = torch.optim.SGD(supernet.train().parameters(), lr=0.1)
losses = []
for _ in range(5):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(supernet(images, network), labels)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0], losses

block = network.blocks[1]
convolution = block.out_channels * block.in_channels * 5**2 * block.in_height * block.in_width
assert block.macs == convolution + 2 * block.out_channels * block.squeeze_channels, block.key
"""


def name_of(block: str) -> str | None:
    """The file that a block is, which its first line names."""
    found = re.match(r"# (\S+\.(?:py|yaml|toml))\n", block)
    return found and found[1]


FILES = {name: text for language, text in BLOCKS if language != "sh" and (name := name_of(text))}
CODE = [text for language, text in BLOCKS if language == "python" and not name_of(text)]
COMMANDS = [
    " ".join(line.split("#")[0].split())
    for language, text in BLOCKS
    if language == "sh"
    for line in text.replace("\\\n", "").splitlines()
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the text shows."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def run(words: list[str], folder: Path) -> str:
    """Runs Python in a new process, in a folder of the user's."""
    return output(python(*words, folder=folder))


def output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_block_of_the_text_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "yaml", "python", "toml"}
    assert sorted(FILES) == [
        "conf/data/numpy_files.yaml",
        "conf/device/desk.yaml",
        "conf/tracker/jsonl.yaml",
        "my_parts.py",
        "my_runtime.py",
        "my_runtimes/onnx.py",
        "pyproject.toml",
        "search_spaces/mine.yaml",
        "search_spaces/my_blocks.py",
    ]
    assert len(CODE) == 1
    assert sorted(COMMANDS) == sorted((*MAKE, TABLE, PARTS, RUNTIME))


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line).strip().replace(" ", "-").lower()
        for line in re.findall(r"^##? (.*)", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert target[1:] in headings if target.startswith("#") else (ROOT / target).exists(), target


def test_the_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in MAKE:
        assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE), command


# -- a space with a block kind -----------------------------------------------------------------------------


def test_the_text_s_space_and_kind_run_and_learn_in_a_supernet(folder: Path) -> None:
    assert "conv_excite(in_channels=16," in run(["-c", CODE[0] + TRAIN_A_LITTLE], folder)


def test_the_text_s_space_states_its_size_and_offers_nothing_useless(folder: Path) -> None:
    load = "from nas.space import SearchSpace; space = SearchSpace.load('mine')"
    code = f"{load}; print(space.size == space.stated_size, space.warnings())"
    assert run(["-c", code], folder).strip() == "True ()"


def test_the_micro_models_of_the_text_s_kind_have_its_macs(folder: Path) -> None:
    assert int(run(["-c", MICRO_MODELS], folder)) >= 8


def test_a_module_that_is_not_there(folder: Path) -> None:
    path = folder / "search_spaces" / "mine.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("my_blocks", "no_blocks"), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"mine.yaml: module 'no_blocks' cannot be imported: .*; put no_blocks.py into"
    ):
        SearchSpace.load(path)


def test_modules_that_are_no_list(folder: Path) -> None:
    path = folder / "search_spaces" / "mine.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("[my_blocks]", "my_blocks"), encoding="utf-8")
    with pytest.raises(UserError, match="'modules' is 'my_blocks'; it is a list of names of Python modules"):
        SearchSpace.load(path)


# -- a device ----------------------------------------------------------------------------------------------


def test_a_table_of_the_text_s_space_on_the_text_s_device(folder: Path) -> None:
    words = TABLE.replace("table.budget=1m", "").split()[1:]
    run(["-m", "nas.cli", *words, *(tiny for tiny in TINY if tiny.startswith("table."))], folder)
    table = load_table(folder / "runs/desk/table/mine-desk.json")
    assert table.device.name == "desk"
    assert dict(table.device.peak_flops) == {"fp32": 2e11}
    assert any(key.startswith("conv_excite(") for key in table.costs)


# -- a data set, a sampler, a tracker ----------------------------------------------------------------------


def test_parts_of_one_s_own_run_through_the_whole_pipeline(folder: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    (folder / "arrays").mkdir()
    np.save(folder / "arrays/labels.npy", labels)
    images = (80 * labels)[:, None, None, None] + rng.integers(0, 60, (60, 1, 16, 16))
    np.save(folder / "arrays/images.npy", images.astype(np.uint8))
    run(["-m", "nas.cli", *shlex.split(PARTS)[1:], *TINY], folder)
    metrics = (folder / "runs/mine/metrics.jsonl").read_text(encoding="utf-8")
    assert "train/loss_largest" in metrics and "train/loss_random" not in metrics
    assert "final/winner/loss" in metrics and "deploy/winner/test_accuracy" in metrics
    trials = (folder / "runs/mine/search/trials.csv").read_text(encoding="utf-8")
    assert "blocks" in trials.splitlines()[0].split(",")
    provenance = json.loads((folder / "runs/mine/provenance.json").read_text(encoding="utf-8"))
    assert "module my_parts" in provenance["inputs"]


def test_an_installed_package_announces_the_parts(folder: Path) -> None:
    about = folder / "my_nas-1.0.dist-info"
    about.mkdir()
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [(group, points)] = project["entry-points"].items()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (about / "entry_points.txt").write_text(
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in points.items())])
    )
    code = "from nas.plugins import load_plugins; from nas.tracking import tracker_names; load_plugins()"
    assert "jsonl" in run(["-c", f"{code}; print(tracker_names())"], folder)


# -- a runtime ---------------------------------------------------------------------------------------------


def test_the_text_s_runtime_measures_a_table_in_a_kit(folder: Path) -> None:
    words = shlex.split(RUNTIME.replace("table.budget=1m", "table.budget=1s table.resolutions=[24]"))[1:]
    run(["-m", "nas.cli", *words, *(tiny for tiny in TINY if tiny.endswith("networks=2"))], folder)
    table = load_table(folder / "runs/slow/table/mine-slow.json")
    assert (table.device.runtime, table.device.runtime_version) == ("onnx", onnx.__version__)
    kit = folder / "runs/slow/table/kit"
    again = [sys.executable, str(kit / "measure.pyz"), str(kit), "again.json"]
    # The file travels with the kit: nothing was registered here, and nas is not even imported.
    output(subprocess.run(again, cwd=folder, capture_output=True, text=True, check=False))
    assert int(run(["-c", BLOCKS_OF_AGAIN], folder)) == len(table.costs)
