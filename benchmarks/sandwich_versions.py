"""A sandwich step of two versions: ``python benchmarks/sandwich_versions.py BEFORE NOW [ROUNDS]``.

BEFORE and NOW are folders with the source of a commit (``git archive COMMIT | tar x -C FOLDER``). Each runs
in a process of its own, one thread; they take turns step by step. Goal: the lower end of the interval of
NOW / BEFORE is at most 1.02.

A step is the sandwich rule on ``tiny_32``, 64 random images of 32 pixels: clearing the gradients, forward,
backward, clipping and the optimiser, in CPU seconds. Both draw the same subnets from the same seed. The
order is reversed in every other round. The ratio is the median over rounds, with a 95 % bootstrap interval.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROUNDS, WARM_UP = 60, 5

WORKER = """
import sys, time
import numpy as np
import torch
from torch import nn
from nas.nn import Supernet
from nas.space import SearchSpace
from nas.training.optimization import Compute, Hyperparameters, make_optimizer
from nas.training.recipes import Trainee, make_recipe

torch.set_num_threads(1)
torch.manual_seed(0)
hyper = Hyperparameters(epochs=1, batch_size=64, learning_rate=0.001, momentum=0.9, weight_decay=1e-4,
                        warmup_epochs=0, label_smoothing=0.1, clip_value=1.0)
space, compute = SearchSpace.load("tiny_32"), Compute.choose("cpu")
supernet = Supernet(space, classes=10)
supernet.to(memory_format=torch.channels_last)
trainee = Trainee(supernet=supernet, compute=compute, rng=np.random.default_rng(0), label_smoothing=0.1)
rule, optimizer = make_recipe("sandwich").build(trainee), make_optimizer(supernet, hyper)
for group in optimizer.param_groups:
    group["lr"] = 1e-3
supernet.train()
x = torch.randn(64, 3, 32, 32).contiguous(memory_format=torch.channels_last)
y = torch.randint(10, (64,))
print("ready", flush=True)
for line in sys.stdin:
    start = time.process_time()
    optimizer.zero_grad(set_to_none=True)
    done = rule.backward(x, y, progress=0.5)
    nn.utils.clip_grad_value_([p for p in supernet.parameters() if p.grad is not None], hyper.clip_value)
    optimizer.step()
    seconds = time.process_time() - start
    print(seconds, "/".join(each.network for each in done.passes), flush=True)
"""


class Version:
    """A process that trains with one version."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(folder.resolve()), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
        )
        assert self._read() == "ready"

    def step(self) -> tuple[float, str]:
        """CPU seconds of a step, and the networks that it trained."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, networks = self._read().split()
        return float(seconds), networks

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def main(before: Path, now: Path, rounds: int) -> None:
    """Prints the ratio."""
    versions = [Version(before), Version(now)]
    seconds = []
    for number in range(rounds + WARM_UP):
        order = (0, 1) if number % 2 else (1, 0)
        done = {each: versions[each].step() for each in order}
        assert done[0][1] == done[1][1], "both train the same networks"
        seconds.append([done[each][0] for each in (0, 1)])
    times = np.array(seconds[WARM_UP:])
    ratios = times[:, 1] / times[:, 0]
    drawn = np.random.default_rng(0).choice(ratios, (10_000, rounds))
    low, high = np.quantile(np.median(drawn, 1), (0.025, 0.975))
    old, new = 1e3 * np.median(times, 0)
    print(
        f"{rounds} rounds: before {old:.1f} ms, now {new:.1f} ms; now / before {np.median(ratios):.3f}",
        end=" ",
    )
    print(f"({low:.3f} to {high:.3f}), rounds from {ratios.min():.3f} to {ratios.max():.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS)
