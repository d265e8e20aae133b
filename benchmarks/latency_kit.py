"""The speed of writing a kit: ``python benchmarks/latency_kit.py [SPACE] [PRECISION]``.

Goal: the kit of ``ofa_mobilenet_v3`` at five resolutions, with 16 networks each for correction and
validation, in at most 60 s. The size is that of the folder, and of the one file that ssh sends.
"""

from __future__ import annotations

import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from nas.hardware import Device, describe_machine
from nas.latency.kit.packing import pack_folder
from nas.latency.measure.table import write_plan
from nas.latency.plan.plan import plan_table
from nas.space import SearchSpace

RESOLUTIONS = 5


def main(name: str, precision: str) -> None:
    """Prints wall and CPU seconds, and sizes."""
    space = SearchSpace.load(name)
    step = max((len(space.resolutions) - 1) // (RESOLUTIONS - 1), 1)
    resolutions = space.resolutions[::step][:RESOLUTIONS]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "kit"
        wall, cpu = time.perf_counter(), time.process_time()
        plan = plan_table(space, budget_s=300, resolutions=resolutions)
        kit = write_plan(plan, folder, device=Device(name="target", precision=precision))
        written = time.perf_counter() - wall, time.process_time() - cpu
        names = ["manifest.json", "measure.pyz", *(entry["file"] for entry in kit.entries)]
        wall, cpu = time.perf_counter(), time.process_time()
        pack_folder(folder, names, folder.with_suffix(".zip"))
        packed = time.perf_counter() - wall, time.process_time() - cpu
        sizes = [
            sum((folder / file).stat().st_size for file in names),
            folder.with_suffix(".zip").stat().st_size,
        ]
    print(f"{name} at {', '.join(map(str, resolutions))} px, {precision}: {len(kit.entries)} models")
    print(f"  written   {written[0]:6.1f} s, {written[1]:.1f} s of CPU; {sizes[0] / 1e6:.0f} MB")
    print(f"  as a zip  {packed[0]:6.1f} s more, {packed[1]:.1f} s of CPU; {sizes[1] / 1e6:.0f} MB")
    versions = ", ".join(f"{package} {version(package)}" for package in ("numpy", "onnx"))
    print(f"  {describe_machine()}, Python {sys.version.split()[0]}, {versions}")


if __name__ == "__main__":
    main(*(sys.argv[1:] + ["ofa_mobilenet_v3", "fp32"][len(sys.argv) - 1 :]))
