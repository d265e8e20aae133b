"""Every command and every piece of code in the README works, at tiny budgets, as a newcomer would type it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Outcome

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
Nas = Callable[..., Outcome]

TINY = (
    "train.epochs=1",
    "train.batch_size=32",
    "train.calibration_images=32",
    "search.trials=4",
    "table.budget=1s",
    "table.correction_networks=2",
    "table.validation_networks=2",
    "trust.resamples=20",
    "finish.epochs=1",
    "finish.extremes=false",
    "finish.baseline_widths=[]",
    "export.parity_images=8",
    "export.measure_budget=1s",
    "data.max_train_images=40",
)


@dataclass(frozen=True)
class Run:
    """A command that is run.

    Attributes:
        makes: Files that must exist after it.
        adds: Settings that make it small, beside ``TINY``.
        changes: Words of it that are replaced.
    """

    makes: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    changes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compose:
    """A command that needs what a test has not (a GPU, a download): only its configuration is made."""


@dataclass(frozen=True)
class Elsewhere:
    """A command that starts processes or servers, with a test of its own.

    Attributes:
        test: The file of this test.
    """

    test: str


@dataclass(frozen=True)
class Make:
    """A target of the Makefile; what it does is run by .ci/run and by the other commands.

    Attributes:
        runs: What stands in the recipe.
    """

    runs: str


@dataclass(frozen=True)
class Script:
    """A script of the checkout, or one that an earlier command made.

    Attributes:
        makes: Files that must exist after it.
        place: Folder of the script where it was made, in which it is run.
    """

    makes: tuple[str, ...]
    place: str = ""


@dataclass(frozen=True)
class Completion:
    """What a shell evaluates."""


COMMANDS: dict[str, Run | Compose | Elsewhere | Make | Script | Completion] = {
    "make quickstart": Make("nas run experiment=quickstart"),
    "make test": Make("-m pytest"),
    "nas run experiment=quickstart seed=0,1,2 --multirun": Run(
        makes=("runs/quickstart/seed-0/report.html", "runs/quickstart/seed-1/report.html"),
        changes={"seed=0,1,2": "seed=0,1"},
    ),
    "python experiments/quickstart/summary.py runs/quickstart": Script(
        makes=("runs/quickstart/summary.svg",)
    ),
    "nas run data=image_folder data.root=pictures space=tiny_32 search.latency_ms=0.1 scale.latency_ms=0.15 "
    "run_dir=runs/pictures": Run(makes=("runs/pictures/report.html", "runs/pictures/deploy/winner.onnx")),
    # The experiment sets what the long command sets: all is done already.
    "nas run experiment=pets": Run(adds=("run_dir=runs/pictures",)),
    "nas run --help": Run(),
    "nas run experiment=pets --cfg job": Run(),
    "nas table experiment=pets device=board table.budget=5m run_dir=runs/board": Run(
        makes=("runs/board/table/tiny_32-board.json",), adds=("device.threads=1",)
    ),
    "nas run experiment=pets device=board table=tiny_32-board run_dir=runs/pets-board": Run(
        makes=("runs/pets-board/report.html",), adds=("device.threads=1",)
    ),
    "nas table experiment=pets device=board table.host=user@pi table.remote.python=env/bin/python "
    "table.budget=5m run_dir=runs/board-ssh": Compose(),
    "nas kit experiment=pets device=board kit.zip=true table.budget=5m run_dir=runs/board-kit": Run(
        makes=("runs/board-kit/kit/measure.pyz",), adds=("device.threads=1",)
    ),
    "python measure.pyz tiny_32-board.zip tiny_32-board.json": Script(
        makes=("tiny_32-board.json",), place="runs/board-kit/kit"
    ),
    "nas table experiment=pets device=board table.host=adb: table.remote.binary=onnxruntime_perf_test "
    "run_dir=runs/android": Compose(),
    "nas export experiment=pets device=board run_dir=runs/pets-board": Run(adds=("device.threads=1",)),
    "nas report run_dir=runs/pets-board": Run(),
    "nas table space=tiny_32 device=board table.classes=3 table.input_channels=3 run_dir=runs/board-3": Run(
        makes=("runs/board-3/table/tiny_32-board.json",), adds=("device.threads=1", "data.root=nowhere")
    ),
    "nas run experiment=pets device=raspberry_pi_4 table=roofline search.respect_device=true "
    "run_dir=runs/pets-pi": Run(
        makes=("runs/pets-pi/table/tiny_32-raspberry_pi_4-estimated.json", "runs/pets-pi/report.html")
    ),
    "nas table space=tiny_32 device=samsung_note10 table.from_networks=phone.csv table.classes=3 "
    "table.input_channels=3 run_dir=runs/phone": Run(makes=("runs/phone/table/tiny_32-samsung_note10.json",)),
    "nas cost network=resnet50 device=a100": Run(
        makes=("runs/cost/cost/resnet50-a100/roofline.svg",), adds=("run_dir=runs/cost",)
    ),
    "nas cost network=mobilenet_v2 device=raspberry_pi_4 cost.width=0.5 cost.resolution=96 "
    "cost.classes=10": Run(
        makes=("runs/cost/cost/mobilenet_v2-raspberry_pi_4/cost.html",), adds=("run_dir=runs/cost",)
    ),
    # So far only the seeds of the sweep were run, each in its own folder.
    "nas cost network=runs/quickstart/search/winner.json device=laptop_cpu": Run(
        makes=("runs/cost/cost/winner-laptop_cpu/cost.html",),
        adds=("run_dir=runs/cost",),
        changes={
            "network=runs/quickstart/search/winner.json": "network=runs/quickstart/seed-0/search/winner.json"
        },
    ),
    "nas cost cost.savings.kernel=3 cost.savings.in_channels=256 cost.savings.out_channels=256 "
    "cost.savings.height=56 cost.savings.width=56": Run(
        makes=("runs/cost/cost/savings-3x3-256-256-56x56.svg",), adds=("run_dir=runs/cost",)
    ),
    "nas train experiment=quickstart": Run(makes=("runs/quickstart/supernet/weights.safetensors",)),
    "nas table experiment=quickstart": Run(makes=("runs/quickstart/table/tiny_24-this_machine.json",)),
    "nas search experiment=quickstart": Run(makes=("runs/quickstart/search/winner.json",)),
    "nas scale experiment=quickstart": Run(makes=("runs/quickstart/scale/scale.json",)),
    "nas finish experiment=quickstart": Run(makes=("runs/quickstart/final/results.json",)),
    "nas export experiment=quickstart": Run(makes=("runs/quickstart/deploy/manifest.json",)),
    "nas report experiment=quickstart": Run(makes=("runs/quickstart/report.html",)),
    "nas train experiment=pets train.random_subnets=1,2 run_dir=runs/subnets --multirun": Run(
        makes=("runs/subnets/train.random_subnets-1/supernet/history.csv",)
    ),
    "nas train experiment=pets train.random_subnets=1,2 run_dir=runs/at_once hydra/launcher=joblib "
    "hydra.launcher.n_jobs=2 --multirun": Elsewhere("tests/cli/test_cli_launchers.py"),
    "nas search experiment=pets search.objectives=[accuracy,latency,memory] search.bounds={macs:5.0e+6} "
    "run_dir=runs/pictures": Run(makes=("runs/pictures/search/winner.json",)),
    "nas search experiment=pets search.devices=[pixel_6,raspberry_pi_5] search.latency_ms=null "
    "search.budgets_ms=[1,2,5] run_dir=runs/pictures": Run(makes=("runs/pictures/search/winners.json",)),
    "nas search experiment=pets search.workers=2 search.trials=8 run_dir=runs/pictures": Elsewhere(
        "tests/cli/test_cli_search.py"
    ),
    "nas search experiment=pets search.storage=${oc.env:STUDIES} run_dir=runs/pictures": Compose(),
    "optuna-dashboard runs/pictures/search/journal.log": Elsewhere("tests/search/test_dashboard.py"),
    "nas train experiment=pets train.recipe=single_path run_dir=runs/single_path": Run(
        makes=("runs/single_path/supernet/history.csv",)
    ),
    "nas train experiment=pets train.distill=alpha train.sampling=attentive run_dir=runs/attentive": Run(
        makes=("runs/attentive/supernet/history.csv",)
    ),
    "nas trust experiment=pets": Run(
        makes=("runs/pictures/trust/trust.json",),
        adds=("run_dir=runs/pictures", "trust.networks=2", "trust.top=1"),
    ),
    "nas train experiment=pets tracker=wandb run_dir=runs/tracked": Run(makes=("runs/tracked/wandb",)),
    "nas run data=imagenet data.root=imagenet space=ofa_mobilenet_v3 search.latency_ms=20 "
    "compute.torch_device=cuda": Compose(),
    "nas run data=cifar10 data.download=true space=mobilenet_32": Compose(),
    "torchrun --nproc_per_node=8 -m nas.cli train data=imagenet data.root=imagenet space=ofa_mobilenet_v3 "
    "run_dir=runs/imagenet": Compose(),
    "nas run data=imagenet data.root=imagenet space=ofa_mobilenet_v3 search.latency_ms=20 "
    "run_dir=runs/imagenet": Compose(),
    "nas train data=imagenet data.root=imagenet space=ofa_mobilenet_v3 run_dir=runs/imagenet --multirun "
    "hydra/launcher=submitit_slurm hydra.launcher.nodes=2 hydra.launcher.gpus_per_node=8 "
    "hydra.launcher.tasks_per_node=8": Compose(),
    "eval $(nas -sc install=bash)": Completion(),
    "nas table experiment=pets space=pets_48 run_dir=runs/pets_48": Run(
        makes=("runs/pets_48/table/pets_48-this_machine.json",)
    ),
}
"""What is done with each command of the README. One that is not listed here fails the tests."""

COPIES = {
    "nas table experiment=pets device=board table.budget=5m run_dir=runs/board": "runs/board/table/*.json"
}
"""What the text tells the reader to copy into ./latency_tables/ after a command."""


@dataclass(frozen=True)
class Block:
    """A fenced block of the README."""

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block, without comments and quotes."""
        lines = self.text.replace("\\\n", " ").splitlines()
        split = (shlex.split(line, comments=True) for line in lines)
        return [" ".join(words) for words in split if words]

    @property
    def path(self) -> str:
        """Where a file belongs: its first lines name it."""
        found = re.search(r"^# (\S+\.yaml)$", self.text, re.MULTILINE)
        assert found is not None, f"a YAML block needs a line '# path/to/file.yaml':\n{self.text}"
        return found[1]


def blocks(*languages: str) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(language, text) for language, text in found if not languages or language in languages]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {block.language for block in blocks()} <= {"sh", "yaml", "python"}


def test_every_command_is_tested_and_none_is_left_over() -> None:
    written = [command for block in blocks("sh") for command in block.commands]
    assert sorted(set(written)) == sorted(COMMANDS)


def test_links_and_folders_exist() -> None:
    text = README.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(((?!https?:)[^)#]+)\)", text):
        assert (ROOT / link).exists(), f"the README links to {link}"
    tree = text.split("## What is where")[1].split("\nMore:")[0]
    for parent, name in re.findall(r"^    (  )?([\w./]+) +\S", tree, re.MULTILINE):
        assert (ROOT / "nas" / name if parent else ROOT / name).exists(), f"the README's tree names {name}"


@pytest.fixture
def folder(own_folder: Path) -> Path:
    """A user's folder with pictures of three classes and the files that the README shows."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog", "fox")):
        for part, count in (("train", 16), ("val", 4)):
            place = own_folder / "pictures" / part / name
            place.mkdir(parents=True)
            for index in range(count):
                size = (*rng.integers(20, 50, 2), 3)
                pixels = rng.normal(60 + 60 * number, 30, size).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")
    for block in blocks("yaml"):
        path = own_folder / block.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    return own_folder


def test_the_readme_from_top_to_bottom(folder: Path, nas: Nas) -> None:
    for block in blocks("sh", "python"):
        if block.language == "python":
            exec(compile(block.text, "README.md", "exec"), {"__name__": "readme"})
        for command in block.commands if block.language == "sh" else ():
            do(command, folder, nas)
            copy_table(command, folder)


def do(command: str, folder: Path, nas: Nas) -> None:
    treatment = COMMANDS[command]
    words = command.split()
    if isinstance(treatment, Make):
        # As on a fresh machine: what an earlier call has installed already would not be shown.
        made = run(["make", "--always-make", "--dry-run", *words[1:]], ROOT)
        assert "-m venv" in made
        assert "pip install" in made
        assert treatment.runs in made
    elif isinstance(treatment, Script):
        place = folder / treatment.place
        run([sys.executable, str((place if treatment.place else ROOT) / words[1]), *words[2:]], place)
        check(treatment.makes, place)
    elif isinstance(treatment, Elsewhere):
        assert (ROOT / treatment.test).is_file()
    elif isinstance(treatment, Completion):
        assert "complete " in succeed(nas("-sc", "install=bash"), command)
    elif isinstance(treatment, Compose):
        arguments = words[words.index("nas.cli" if words[0] == "torchrun" else "nas") + 1 :]
        composed = succeed(
            nas(*(word for word in arguments if word != "--multirun"), "--cfg", "job"), command
        )
        assert all(part in composed for part in ("space:", "data:", "table:"))
    else:
        tiny = () if {"--help", "--cfg"} & set(words) else (*TINY, *treatment.adds)
        arguments = [treatment.changes.get(word, word) for word in words[1:]]
        succeed(nas(*override(arguments, tiny)), command)
        check(treatment.makes, folder)


def override(arguments: list[str], changes: tuple[str, ...]) -> Iterator[str]:
    """The arguments with later settings in place of earlier ones: Hydra wants each once."""
    settings = {argument.split("=")[0]: argument for argument in (*arguments, *changes)}
    yield from settings.values()


def succeed(outcome: Outcome, command: str) -> str:
    assert outcome.code == 0, f"{command}\n{outcome.out}\n{outcome.err}"
    return outcome.out


def check(makes: tuple[str, ...], folder: Path) -> None:
    for name in makes:
        assert (folder / name).exists(), f"{name} was not made"


def copy_table(command: str, folder: Path) -> None:
    if command in COPIES:
        (folder / "latency_tables").mkdir()
        for path in folder.glob(COPIES[command]):
            if path.name != "step.json":
                shutil.copy(path, folder / "latency_tables")


def run(command: list[str], folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
