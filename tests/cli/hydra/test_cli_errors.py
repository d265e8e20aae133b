"""Every fault of the user gives exit code 2 and one message: the fault, what is allowed, what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.resources import shipped
from tests.conftest import Outcome

FAULTS = {
    "train.epochz=1": "unknown setting 'train.epochz'; did you mean train.epochs or .*; allowed: train",
    "epochs=1": "unknown setting 'epochs'; there is train.epochs and trust.epochs and finish.epochs; ",
    "experment=quickstart": "unknown setting 'experment'; did you mean experiment or .*, device, experiment,",
    "checkpoint.every=0s": "checkpoint.every: '0s' is not a duration; write",
    "+train.epochz=1": "unknown setting 'train.epochz'; did you mean train.epochs",
    "train.epochs=abc": "train.epochs: Value 'abc' of type 'str' could not be converted to Integer; `--help`",
    "train.epochs=null": "train.epochs: .*not Optional",
    "data.augment.flip=perhaps": "data.augment.flip: Value 'perhaps' is not a valid bool",
    "data=cifar": "unknown data option 'cifar'; did you mean cifar10 or .*Your own can stand in ./conf/data/",
    "experiment=quikstart": "unknown experiment option 'quikstart'; did you mean quickstart",
    "tracker.mode=online": "unknown setting 'tracker.mode'; .*allowed: tracker.name",
    "train=1": r"Config group override must be a string.*\(given: train=1\)",
    "a=b=c": "cannot read 'a=b=c' .* write key=value",
    "seed=1,2": "Ambiguous value for argument 'seed=1,2'.*add --multirun",
    "seed=${nope}": "seed: Interpolation key 'nope' not found",
    "device.peak_flops={fp32: 1e11}": r"device.peak_flops has no 'fp32' yet; .* \+device.peak_flops.fp32=",
    "seed=-1": "seed is -1; give a whole number from 0 to 4294967295",
    "~seed": "'seed' cannot be removed; every setting needs a value",
    "~train.epochs": "'train.epochs' cannot be removed; every setting needs a value",
    "space=tiny32": "unknown search space 'tiny32'; did you mean tiny_32",
    "space=no/such.yaml": "search space file no/such.yaml does not exist; give an existing path, or a name: ",
}


@pytest.mark.parametrize("argument", FAULTS)
def test_a_fault_in_the_command_line(nas: Callable, own_folder: Path, argument: str) -> None:
    outcome = nas("train", argument)
    assert outcome.code == 2
    [line] = outcome.err.splitlines()
    assert re.match(f"error: {FAULTS[argument]}", line), line
    assert "Traceback" not in outcome.out


@pytest.mark.parametrize("argument", FAULTS)
def test_a_fault_in_the_command_line_leaves_no_file(nas: Callable, own_folder: Path, argument: str) -> None:
    nas("train", argument)
    assert not [path for path in own_folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("train.epochs=0", "train.epochs is 0; give at least 1"),
        ("train.batch_size=0", "train.batch_size is 0; give at least 1"),
        ("finish.epochs=0", "finish.epochs is 0; give at least 1"),
        ("finish.network=list.json", "list.json holds no network: a network is a mapping with "),
        ("search.budgets_ms=[nan]", r"the budgets \[nan\] are latencies in ms; give positive numbers"),
        ("scale.max_phi=1e6", "scale.min_phi is -6 and scale.max_phi 1e.06; give -16 ≤ min_phi"),
        ("scale.min_phi=nan", "scale.min_phi is nan"),
        ("export.parity_images=0", "export.parity_images is 0; give at least 1"),
        ("export.calibration=max", "unknown export.calibration 'max'; did you mean minmax?"),
        ("export.calibration_images=0", "export.calibration_images is 0; give at least 1, better 64 or more"),
        ("export.int8_loss=-1", "export.int8_loss is -1.0; give points of accuracy from 0 to 100, or null"),
        ("export.opset=99", "opset is 99; 18 to 23 can be written"),
        ("export.measure_budget=soon", "export.measure_budget: 'soon' is not a duration"),
    ],
)
def test_a_whole_run_begins_only_if_all_of_its_settings_can_be(
    nas: Callable, own_folder: Path, argument: str, message: str
) -> None:
    (own_folder / "list.json").write_text("[1]")
    outcome = nas("run", "data=digits", "space=tiny_24", "table=roofline", "device=laptop_cpu", argument)
    assert outcome.code == 2
    [line] = outcome.err.splitlines()
    assert re.match(f"error: {message}", line), line
    assert not list(own_folder.rglob("step.json"))


@pytest.mark.parametrize(
    ("command", "file", "message"),
    [
        ("scale", "search/winner.json", r"\(KeyError\('architecture'\)\); search again: nas search"),
        ("finish", "scale/scale.json", r"\(KeyError\('phi'\)\); scale again: nas scale"),
        ("export", "final/results.json", r"\(KeyError\('networks'\)\); train again: nas finish"),
    ],
)
def test_a_damaged_file_of_a_run_is_named(
    nas: Callable, own_folder: Path, command: str, file: str, message: str
) -> None:
    tables = ("table/tiny_24-laptop_cpu.json", "scale/table.json")
    for name in ("search/winner.json", "scale/scale.json", "final/results.json", *tables):
        (own_folder / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (own_folder / "run" / name).write_text("{}")
        (own_folder / "run" / name).with_name("step.json").write_text('{"settings": {"data": {}, "seed": 0}}')
    settings = ("data=digits", "space=tiny_24", "device=laptop_cpu", "run_dir=run")
    outcome = nas(command, *settings)
    assert outcome.code == 2
    assert re.search(f"{file} cannot be read {message}", outcome.err), outcome.err


def test_a_damaged_provenance_does_not_hide_the_report(nas: Callable, own_folder: Path) -> None:
    (own_folder / "run").mkdir()
    (own_folder / "run" / "provenance.json").write_text("[]")
    assert nas("report", "run_dir=run").code == 0
    page = (own_folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "provenance.json is no record of a run" in page


def test_an_unknown_flag(nas: Callable) -> None:
    outcome = nas("train", "--epochs=3")
    assert outcome.code == 2
    assert outcome.err == (
        "error: unrecognized arguments: --epochs=3; settings have no dashes: epochs=3; "
        "flags are --multirun, --cfg job, --help\n"
    )
    assert nas("train", "--foo").err.count("\n") == 1
    assert re.match("error: .*invalid choice: 'foo'", nas("train", "--cfg", "foo").err)


def own_file(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / "conf" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: image_folder\nrooot: x\n",
            "in data/mine.yaml: unknown setting 'data.rooot'; did you mean data.root",
        ),
        ("name: image_folder\nworkers: many\n", "in data/mine.yaml: data.workers: .*could not be converted"),
        ("root: x\n", "data.name has no value; give it one: data.name=VALUE"),
        ("root: [\n", r".*conf/data/mine.yaml is not valid YAML: line 2: expected the node content, .*\n$"),
    ],
)
def test_a_fault_in_a_file_of_ones_own(nas: Callable, own_folder: Path, text: str, message: str) -> None:
    own_file(own_folder, "data/mine.yaml", text)
    outcome = nas("train", "data=mine")
    assert outcome.code == 2
    assert re.match(f"error: ({message})", outcome.err), outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("text", ["space: tiny_32\n", "defaults:\n  - override /data: digits\nseed: 1\n"])
def test_an_experiment_without_its_package(nas: Callable, own_folder: Path, text: str) -> None:
    own_file(own_folder, "experiment/mine.yaml", text)
    outcome = nas("train", "experiment=mine")
    assert outcome.code == 2
    assert outcome.err.startswith(
        "error: in experiment/mine.yaml: an experiment begins with the line `# @package _global_`"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_ones_own_files_may_begin_with_a_byte_order_mark(
    nas: Callable, own_folder: Path, encoding: str
) -> None:
    own_file(own_folder, "data/mine.yaml", "# @package data\nname: mine\n".encode(encoding))
    experiment = "# @package _global_\ndefaults:\n  - override /data: mine\nseed: 3\n"
    own_file(own_folder, "experiment/x.yaml", experiment.encode(encoding))
    outcome = nas("train", "experiment=x", "--cfg", "job")
    assert outcome.code == 0, outcome.err
    assert "seed: 3\n" in outcome.out
    assert "  name: mine\n" in outcome.out


@pytest.mark.parametrize(("encoding", "name"), [("utf-16", "UTF-16"), ("latin-1", "Latin-1")])
def test_another_encoding_of_ones_own_file_is_named(
    nas: Callable, own_folder: Path, encoding: str, name: str
) -> None:
    own_file(own_folder, "data/mine.yaml", "name: pläne\n".encode(encoding))
    outcome = nas("train", "data=mine")
    assert outcome.code == 2
    assert re.fullmatch(rf"error: .*conf/data/mine\.yaml.* encoded in {name}.* in UTF-8\n", outcome.err)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: 0.1\nepochs: 3\n", "in train/default.yaml: unknown setting 'train.lr'"),
        ("epochs: many\n", "in train/default.yaml: train.epochs: Value 'many'"),
        ("epochs: 3\n", "train.batch_size has no value"),
        ("epochs: ${model.epochs}\n", "train.epochs: Interpolation key 'model.epochs' not found"),
        ("defaults: [base]\n", "In 'train/default': Could not load 'train/base'"),
    ],
)
def test_a_file_of_another_project_in_the_place_of_ours_is_named(
    nas: Callable, own_folder: Path, text: str, message: str
) -> None:
    own_file(own_folder, "train/default.yaml", text)
    own_file(own_folder, "data/digits.yaml", "name: digits\n")
    outcome = nas("train")
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {message}"), outcome.err
    assert outcome.err.endswith(
        ". ./conf/train/default.yaml replaces the file of that name that comes with nas: rename it, "
        "or work in another folder\n"
    )
    assert "digits" not in outcome.err


def test_a_fault_elsewhere_says_nothing_of_ones_own_files(nas: Callable, own_folder: Path) -> None:
    own_file(own_folder, "train/default.yaml", Path(shipped("conf"), "train", "default.yaml").read_bytes())
    assert "conf/train" not in nas("train", "train.epochz=3").err


def assert_full(outcome: Outcome, reason: str) -> None:
    assert outcome.code == 2
    assert re.fullmatch(
        rf"error: cannot write to \S+ \({reason}\); make room and repeat the command, "
        "which resumes from here, or name another folder: run_dir=FOLDER\n",
        outcome.err,
    ), outcome.err


COST = ("cost", "network=mobilenet_v2", "device=laptop_cpu")


def test_a_limit_of_file_sizes_is_one_line(nas: Callable, own_folder: Path, files_up_to: Callable) -> None:
    with files_up_to(4096):
        outcome = nas(*COST)
    assert_full(outcome, "file too large")


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(nas: Callable, tiny_disk: Path) -> None:
    assert_full(nas(*COST, f"run_dir={tiny_disk}"), "no space left on device")
    subprocess.run(["mount", "-o", "remount,size=10m", tiny_disk], check=True)
    assert nas(*COST, f"run_dir={tiny_disk}").code == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 kB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here; root may")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("command", "maker"), [("search", "train"), ("scale", "search"), ("export", "finish")]
)
def test_what_is_missing_is_made_by_the_step_that_is_named(nas: Callable, command: str, maker: str) -> None:
    outcome = nas(command)
    assert outcome.code == 2
    assert f"does not exist; `nas {maker}` makes it, or name the run_dir that holds it" in outcome.err


def test_a_search_without_a_table_names_the_step_that_makes_it(nas: Callable, own_folder: Path) -> None:
    weights = own_folder / "run" / "supernet" / "weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    outcome = nas("search", "run_dir=run")
    assert "-this_machine.json does not exist; `nas table` makes it, or" in outcome.err


def test_durations_are_checked_before_anything_is_done(nas: Callable) -> None:
    for setting in ("export.measure_budget", "table.budget"):
        outcome = nas("run", f"{setting}=x")
        assert outcome.code == 2
        assert outcome.err.startswith(f"error: {setting}: 'x' is not a duration")


@pytest.mark.parametrize(
    "setting", ["latency_ms=-1", "latency_ratio=0", "latency_fraction=-0.5", "latency_ms=nan"]
)
def test_a_budget_of_the_scaling_is_above_0(nas: Callable, setting: str) -> None:
    outcome = nas("scale", f"scale.{setting}")
    assert outcome.code == 2
    name, value = setting.split("=")
    assert re.match(rf"error: scale\.{name} is {value}", outcome.err), outcome.err
