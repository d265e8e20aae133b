"""A table in one call: plan it, then measure it."""

from __future__ import annotations

from pathlib import Path

from nas.hardware import Device
from nas.latency import LatencyTable
from nas.latency.measure.table import measure_plan
from nas.latency.plan.plan import plan_table
from nas.latency.targets import Target
from nas.latency.targets.run_kit import Report, silent
from nas.space import SearchSpace


def build_table(
    space: SearchSpace,
    *,
    device: Device,
    folder: Path,
    target: Target | None = None,
    progress: Report = silent,
    **fields,
) -> LatencyTable:
    binary = target is not None and target.binary is not None
    plan = plan_table(space, long_samples=binary, **fields)
    return measure_plan(plan, device=device, folder=folder, target=target, progress=progress)
