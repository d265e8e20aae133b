from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[3]


def complete(nas: Callable, monkeypatch: pytest.MonkeyPatch, line: str) -> set[str]:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setattr(sys, "argv", ["nas", "-sc", "query=bash"])
    outcome = nas("-sc", "query=bash")
    assert outcome.code == 0
    return set(outcome.out.split())


def test_commands_are_completed(nas: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete(nas, monkeypatch, "nas ") == set(COMMANDS)
    assert complete(nas, monkeypatch, "nas s") == {"search", "scale"}
    assert complete(nas, monkeypatch, "nas x") == set()


def test_groups_options_and_settings_are_completed(nas: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"data=", "train.", "seed="} <= complete(nas, monkeypatch, "nas train ")
    assert complete(nas, monkeypatch, "nas train data=ci") == {"data=cifar10", "data=cifar100"}
    assert "train.epochs=" in complete(nas, monkeypatch, "nas run seed=1 train.ep")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("train.recipe=", "fairnas progressive_shrinking sandwich single_path"),
        ("search.sampler=nsga", "nsga2 nsga3"),
        ("space=tiny", "tiny_24 tiny_32"),
        ("table=roof", "roofline"),
        ("table.name=samsung", "samsung_note10-tflite"),
        ("table.missing=", "error estimate measure"),
        ("data.name=", "cifar10 cifar100 digits image_folder imagenet"),
        ("device.runtime=", "onnxruntime openvino tensorrt torch"),
        ("device.precision=f", "fp16 fp32 fp8"),
        ("tracker.name=", "mlflow none tensorboard wandb"),
        ("scale.depth_rounding=", "nearest up"),
        ("finish.baseline=mobilenet_v3", "mobilenet_v3_large mobilenet_v3_small"),
        ("network=resnet1", "resnet18 resnet101 resnet152"),
    ],
)
def test_registered_values_are_completed(
    nas: Callable, monkeypatch: pytest.MonkeyPatch, word: str, expected: str
) -> None:
    setting = word.partition("=")[0]
    found = complete(nas, monkeypatch, f"nas run seed=1 {word}")
    assert {f"{setting}={value}" for value in expected.split()} <= found
    assert all(value.startswith(word) for value in found)


def test_a_path_is_completed_where_a_name_may_stand(
    nas: Callable, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_folder / "mine.yaml").touch()
    assert complete(nas, monkeypatch, "nas train space=./mi") == {"space=./mine.yaml"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(own_folder: Path) -> None:
    bin_ = own_folder / "bin"
    bin_.mkdir()
    script = bin_ / "nas"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from nas.cli.__main__ import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    commands = f"""
        export PATH={bin_}:$PATH
        eval "$(nas -sc install=bash)"
        COMP_LINE="nas train data=ci" COMP_POINT=17 COMP_CWORD=2
        hydra_bash_completion nas
        printf '%s ' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", commands], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["data=cifar10", "data=cifar100"], done.stderr
