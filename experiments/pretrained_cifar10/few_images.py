"""What pretrained weights give with few images; see README.md.

    python experiments/pretrained_cifar10/few_images.py data.root=PICTURES data.max_train_images=1000

Run ``run.py`` first, with the same run_dir. The winner of its search is trained from EfficientNet-Lite0's
weights and from scratch, in the folder ``few_images`` of the run. Each training is a step that is skipped
once complete. The counts of test images are printed, and written into ``few_images.csv`` of that folder.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
import trained
from run import PRETRAINED, SCRATCH, Subject, context, training, winner

from nas.network import NetworkSpec
from nas.pipeline import execute
from nas.training.history_csv import write_csv

TRAININGS = ((PRETRAINED, 6), (SCRATCH, 6), (SCRATCH, 12))
"""Where weights come from, and epochs."""
SEED = 0


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete trainings and prints the result."""
    run = context(tuple(overrides))
    network = winner(run)
    base = dataclasses.replace(run, run_dir=run.path("few_images"))
    found = {}
    for init, epochs in TRAININGS:
        step = training(base, subject_of(init, epochs, network), SEED)
        execute(step)
        correct = trained.correct_images(step.folder)
        assert correct is not None
        found[f"{init}-{epochs}"] = correct
    first = next(iter(found.values()))
    rows = [
        {
            "name": name,
            "train_images": len(base.data.splits.train),
            "images": len(correct),
            "correct": int(correct.sum()),
            "only_this": int((correct & ~first).sum()),
            "only_pretrained": int((first & ~correct).sum()),
        }
        for name, correct in found.items()
    ]
    write_csv(base.path("few_images.csv"), rows)
    for row in rows:
        print(row)


def subject_of(init: str, epochs: int, network: NetworkSpec) -> Subject:
    """The training of a network for some epochs."""
    return Subject(f"{init}-{epochs}", init, lambda _: network, lambda _: epochs)


if __name__ == "__main__":
    scripts.run(main)
