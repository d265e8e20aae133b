"""Makes a recorded experiment again, from the images to the tables and the picture, in one command.

    python experiments/reproduce.py NAME data.root=PICTURES [SETTING=VALUE ...]

It calls the scripts of the experiment one after another with these settings, then its summary, which writes
into the folder ``results`` of run_dir; the recorded results stay as they are. Finished parts are skipped:
interrupt it at any time and give the same command again. The README of each experiment says what it
needs and how long it takes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import scripts

from nas.errors import unknown

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """How an experiment is made.

    Attributes:
        scripts: Its scripts in their order, relative to this folder.
        run_dir: Its run folder, unless the settings have another.
        raw: The file or folder in the run folder that its summary reads.
        settings: Settings of the last script that the command may replace.
    """

    scripts: tuple[str, ...]
    run_dir: str
    raw: str = "."
    settings: tuple[str, ...] = ()


EXPERIMENTS = {
    "supernet_cifar10": Experiment(scripts=("supernet_cifar10/run.py",), run_dir="runs/supernet_cifar10"),
    "equal_macs": Experiment(
        scripts=("equal_macs/run.py", "equal_macs/finals.py"), run_dir="runs/equal_macs", raw="networks.csv"
    ),
    "pretrained_cifar10": Experiment(
        scripts=("pretrained_cifar10/run.py",), run_dir="runs/pretrained_cifar10", raw="networks.csv"
    ),
    "attention_cifar10": Experiment(scripts=("attention_cifar10/run.py",), run_dir="runs/attention_cifar10"),
    "table_or_macs": Experiment(
        scripts=("attention_cifar10/run.py", "table_or_macs/run.py"),
        run_dir="runs/attention_cifar10",
        raw="table_or_macs/networks.csv",
        settings=("measure.budget=2m",),
    ),
    "cifar10": Experiment(scripts=("cifar10/find.py", "cifar10/train.py"), run_dir="runs/cifar10"),
    "scaling": Experiment(scripts=("scaling/run.py",), run_dir="runs/scaling_cifar10", raw="networks.csv"),
}


def main(arguments: Sequence[str]) -> None:
    """Makes an experiment again; exits with the code of the first script that fails."""
    name, *settings = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(f"{__doc__}\nExperiments: {', '.join(sorted(EXPERIMENTS))}")
        return
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    experiment = EXPERIMENTS[name]
    given = dict(setting.split("=", 1) for setting in settings if "=" in setting)
    own = [setting for setting in experiment.settings if setting.partition("=")[0] not in given]
    run_dir = Path(given.get("run_dir", experiment.run_dir))
    last = experiment.scripts[-1]
    commands = [[script, *settings, *(own if script == last else ())] for script in experiment.scripts]
    summary = str(Path(last).parent / "summary.py")
    commands.append([summary, str(run_dir / experiment.raw), str(run_dir / "results")])
    for script, *rest in commands:
        code = subprocess.run([sys.executable, str(HERE / script), *rest], check=False).returncode
        if code:
            sys.exit(code)
    print(f"results: {run_dir / 'results'}")


if __name__ == "__main__":
    scripts.run(main)
