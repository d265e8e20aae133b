"""The step that measures all networks of an experiment side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from nas.cli.steps.context import Context
from nas.config import seconds
from nas.files import write_json
from nas.latency import load_table
from nas.network import NetworkSpec
from nas.pipeline import Step


def measuring(
    base: Context,
    networks: Callable[[], Mapping[NetworkSpec, str]],
    *,
    table: Path,
    inputs: Mapping[str, Path],
) -> Step:
    """Makes the step, which writes ``measured.json``: latencies with their intervals.

    Args:
        base: The run.
        networks: Returns the networks with their names; the inputs are there.
        table: The latency table whose references tell the machine's usual speed.
        inputs: Further files that the networks depend on.
    """

    def run(folder: Path) -> None:
        from nas.latency.measure.networks import measure_networks

        measured = measure_networks(
            {name: network for network, name in networks().items()},
            device=base.device,
            folder=folder,
            budget_s=seconds(base.config.measure.budget, setting="measure.budget"),
            usual=load_table(table).references_ms or None,
            seed=base.config.seed,
        )
        latencies = {name: dataclasses.asdict(each) for name, each in measured.latencies.items()}
        write_json(
            folder / "measured.json",
            {
                "machine": measured.device.machine,
                "disturbed": measured.disturbed,
                "slowdown": measured.slowdown,
                "latencies": latencies,
            },
        )

    return Step(
        name="measured",
        folder=base.path("measured"),
        settings={
            **base.settings("device", "seed"),
            "budget": base.config.measure.budget,
            "names": list(networks().values()),  # by which the result is read
        },
        inputs={**inputs, "latency table": table},
        outputs=("measured.json",),
        run=run,
    )
