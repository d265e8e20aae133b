"""Large inputs: ``python benchmarks/load.py [PART …]``.

Each part runs in a process of its own and prints its wall time, its CPU time (which other programs change
less) and its peak memory beyond that of the loaded program. Studies print the CPU time of a trial (with its
evaluation, which is a formula here) and the memory at their beginning and end. Goals: at most 15 ms a trial
at the end of 20,000, at most 300 MB beyond the start, and no part that takes more than linear time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np

from nas.hardware import Device, detect
from nas.latency import LatencyTable
from nas.latency.estimate.roofline import roofline_table
from nas.network import NetworkSpec
from nas.space import SearchSpace

DEVICE = Device(name="any", runtime="none", peak_flops=(("fp32", 1e11),), bandwidth_bytes_per_s=1e10)
BLOCKS, FILES, CANDIDATES, MODELS = 10_000, 100_000, 50_000, 5_000
TRIALS = {"predictor": 20_000, "nsga3": 20_000, "nsga2": 100_000, "random": 100_000}
WINDOW = 1_000
"""Trials between two lines of a study."""


def memory_mb() -> float:
    """The peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(folder: Path) -> str:
    """A table of 10,000 blocks is written, read, and predicts 10,000 networks."""
    spaces = (SearchSpace.load(name) for name in ("mixed", "ofa_mobilenet_v3", "fbnet", "mnasnet"))
    blocks = list(dict.fromkeys(block for space in spaces for block in space.block_specs(classes=1000)))
    path = folder / "table.json"
    roofline_table(blocks[:BLOCKS], device=DEVICE, space="mixed").save(path)
    start = time.perf_counter()
    read = LatencyTable.load(path)
    took = time.perf_counter() - start
    return f"{len(read.costs):,} blocks, {path.stat().st_size / 1e6:.1f} MB, read in {took:.2f} s"


def images(folder: Path) -> str:
    """A folder of 100,000 image files is listed and split."""
    from PIL import Image

    from nas.training.data import load_data

    classes = 100
    for number in range(classes):
        (folder / "train" / f"class{number}").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "image.png")
    content = (folder / "image.png").read_bytes()
    for number in range(FILES):
        (folder / "train" / f"class{number % classes}" / f"{number}.png").write_bytes(content)
    start = time.perf_counter()
    splits = load_data(
        "image_folder", root=folder, seed=0, validation_fraction=0.1, test_fraction=0.1, cache="disk"
    )
    took = time.perf_counter() - start
    return f"{len(splits.train):,} of {FILES:,} files to train on, listed and split in {took:.1f} s"


def report(folder: Path) -> str:
    """A report of a search with 50,000 candidates is written."""
    from nas.report.build import report as write

    run = folder / "run"
    command = [
        sys.executable,
        "-m",
        "nas.cli",
        "search",
        "space=ofa_mobilenet_v3",
        "search.accuracy=published",
    ]
    command += [f"search.candidates={CANDIDATES}", "table=ofa_mobilenet_v3-epyc_zen4-onnxruntime-fp32"]
    command += ["device.threads=1", f"run_dir={run}"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    searched = time.perf_counter() - start
    lines = (run / "search" / "trials.csv").read_text(encoding="utf-8").count("\n") - 1
    start = time.perf_counter()
    page = write(run)
    took, size = time.perf_counter() - start, page.stat().st_size / 1e6
    return f"{lines:,} candidates searched in {searched:.1f} s, page of {size:.1f} MB in {took:.1f} s"


def kit(folder: Path) -> str:
    """A kit of 5,000 models is written and packed."""
    from nas.latency.kit.kit import write_kit
    from nas.latency.kit.packing import pack_folder
    from nas.latency.plan.probes import Probe
    from nas.runner.measure import check_files, read_manifest
    from nas.runner.protocol import Protocol

    blocks = list(dict.fromkeys(SearchSpace.load("mixed_32").block_specs(classes=10)))
    pairs = [(first, second) for first in blocks for second in blocks if first.out_shape == second.in_shape]
    probes = [
        Probe(pair, target=tuple(block.key for block in pair), context="none") for pair in pairs[:MODELS]
    ]
    start = time.perf_counter()
    made = write_kit(folder / "kit", device=DEVICE, probes=probes, protocol=Protocol())
    written = time.perf_counter() - start
    start = time.perf_counter()
    check_files(made.folder, read_manifest(made.folder))
    checked = time.perf_counter() - start
    names = ["manifest.json", *(entry["file"] for entry in made.entries)]
    pack_folder(made.folder, names, folder / "kit.zip")
    size = (folder / "kit.zip").stat().st_size / 1e6
    took = f"written in {written:.1f} s, checked in {checked:.1f} s"
    return f"{len(made.entries):,} models {took}; {size:.0f} MB zipped"


def study(folder: Path, *, sampler: str) -> str:
    """A study of many trials whose evaluation is a formula."""
    from nas.search import Goals, Problem, Study, accuracy, latency, make_sampler, search

    space, trials = SearchSpace.load("mixed_32"), TRIALS[sampler]
    model = roofline_table(space.block_specs(classes=10), device=DEVICE)
    rng = np.random.default_rng(0)

    def score(networks: Sequence[NetworkSpec]) -> list[float]:
        return [float(np.tanh(np.log10(each.macs) / 9) - 0.01 * rng.random()) for each in networks]

    lines = list[tuple[int, float, float]]()

    def note(status: object) -> None:
        done = len(getattr(status, "entries", ()))
        if done and done % WINDOW == 0 and (not lines or lines[-1][0] != done):
            lines.append((done, time.process_time(), memory_mb()))

    search(
        Study(
            problem=Problem(space, 10, 3),
            goals=Goals([accuracy(score), latency(model)]),
            sampler=make_sampler(sampler),
            trials=trials,
            seed=0,
        ),
        folder=folder,
        progress=note,
    )
    first, last = (1000 * _window(lines, number) for number in (1, -1))
    grown = lines[-1][2] - lines[0][2]
    return (
        f"{trials:,} trials: {first:.1f} ms a trial in the second thousand, {last:.1f} in the last; "
        f"{grown:.0f} MB more than after the first thousand"
    )


def _window(lines: Sequence[tuple[int, float, float]], number: int) -> float:
    """CPU seconds of a trial between a line and the one before."""
    (before, start, _), (after, end, _) = lines[number - 1], lines[number]
    return (end - start) / (after - before)


PARTS: dict[str, Callable[[Path], str]] = {
    "table": table,
    "images": images,
    "report": report,
    "kit": kit,
    **{f"study-{name}": partial(study, sampler=name) for name in TRIALS},
}


def one(part: str) -> None:
    """Runs a part and prints its line as JSON."""
    import torch  # noqa: F401 - a part of the loaded program

    before = memory_mb()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        text = PARTS[part](Path(folder))
        took = time.perf_counter() - start
        cpu = time.process_time() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        print(json.dumps({"text": text, "s": took, "cpu": cpu, "mb": memory_mb() - before}))


def main(parts: Sequence[str]) -> None:
    """Prints a line for each part."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "optuna", "onnx"))
    machine = detect()
    print(f"{machine['cpu']}, {machine['cores']} cores; Python {platform.python_version()}, {versions}")
    for part in parts:
        done = subprocess.run(
            [sys.executable, __file__, "--one", part], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{part} failed: {done.stderr}")
        value = json.loads(done.stdout.splitlines()[-1])
        took = f"{value['s']:.0f} s in all ({value['cpu']:.0f} of CPU)"
        print(f"  {part}: {value['text']}; {took}, {value['mb']:.0f} MB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2])
    else:
        main(sys.argv[1:] or list(PARTS))
