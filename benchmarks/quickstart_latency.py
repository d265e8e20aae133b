"""Predicted against measured latency of winners. ``python benchmarks/quickstart_latency.py [WINNERS]``.

Quickstarts with other seeds and budgets, for a device that computes in FP32 and for one that computes in
INT8. Each measures its own latency table, searches, scales its winner, exports it, and measures the file. The
supernet of a seed is trained once for both precisions. The scaled winners are trained for one epoch and
without baselines, since their weights do not change how long they take. The goal is a mean error of 3 %.
The machine should be quiet after the supernets are trained. Run folders are in ``runs/quickstart_latency``;
the same command goes on after an interruption.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

from nas.cli.__main__ import main as nas
from nas.deploy.manifest import read_manifest
from nas.hardware import describe_machine

ROOT = Path("runs") / "quickstart_latency"
PRECISIONS = {"fp32": "onnx", "int8": "onnx_int8"}
"""The file that ships for each precision of the device."""


def settings(seed: int, run: Path, *extra: str) -> list[str]:
    """The settings of a quickstart whose bounds are drawn by the seed."""
    rng = np.random.default_rng(seed)
    bound, budget = rng.uniform(0.2, 0.6), rng.uniform(0.6, 1.0)
    return [
        "experiment=quickstart",
        f"run_dir={run}",
        f"seed={seed}",
        f"search.latency_fraction={bound:.3f}",
        f"scale.latency_fraction={budget:.3f}",
        "finish.epochs=1",
        "finish.warmup_epochs=0",
        "finish.baseline_widths=[]",
        "finish.extremes=false",
        *extra,
    ]


def supernet(seed: int) -> Path:
    """The run folder of a seed's trained supernet."""
    run = ROOT / f"{seed}"
    if nas(["train", *settings(seed, run)]):
        sys.exit(f"the supernet of seed {seed} failed")
    return run


def winner(seed: int, precision: str) -> tuple[float, float, float, bool]:
    """Predicted latency of a winner, measured one and its half-width, in ms, and if that was disturbed."""
    run = ROOT / f"{seed}-{precision}"
    if not run.exists():
        shutil.copytree(ROOT / f"{seed}" / "supernet", run / "supernet")
    if nas(["run", *settings(seed, run, f"device.precision={precision}")]):
        sys.exit(f"the run {run} failed")
    file = next(each for each in read_manifest(run / "deploy") if each.format == PRECISIONS[precision])
    assert file.predicted_ms is not None
    assert file.latency_ms is not None
    measured = file.latency_ms
    half = (measured.high - measured.low) / 2
    return file.predicted_ms, measured.value, half, bool(measured.disturbed)


def main(count: int) -> None:
    """Runs ``count`` quickstarts in both precisions and prints the table."""
    for seed in range(count):
        supernet(seed)
    rows = {precision: [winner(seed, precision) for seed in range(count)] for precision in PRECISIONS}
    print(f"\n{describe_machine()}\n")
    print("| precision | seed | predicted, ms | measured, ms | difference, % | disturbed |")
    print("|---|---:|---:|---:|---:|---|")
    for precision, each in rows.items():
        for seed, (predicted, measured, half, disturbed) in enumerate(each):
            error = 100 * (predicted / measured - 1)
            print(
                f"| {precision} | {seed} | {predicted:.4f} | {measured:.4f} ± {half:.4f} | {error:+.1f} | "
                f"{'yes' if disturbed else ''} |"
            )
    for precision, each in rows.items():
        errors = [100 * abs(predicted / measured - 1) for predicted, measured, _, _ in each]
        print(
            f"{precision}: mean error {np.mean(errors):.1f} %, median {np.median(errors):.1f} %, "
            f"largest {max(errors):.1f} %"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
