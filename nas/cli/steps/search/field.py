"""The field beside the front: published networks, measured in the same rounds as some of the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.bars import progress_bar
from nas.cli.screen import CONSOLE, say
from nas.cli.steps.context import Context
from nas.cli.steps.measure import about_speed
from nas.cli.steps.table.devices import targets
from nas.cli.steps.table.targets import target
from nas.config import seconds
from nas.errors import UserError
from nas.files import write_json
from nas.latency import load_table
from nas.network import NetworkSpec
from nas.published.field import FieldNetwork, read_field
from nas.report.grid import print_grid
from nas.search import SearchResult
from nas.search.trials.evaluation import Evaluation

if TYPE_CHECKING:
    from nas.latency.costs.intervals import Measured

FIELD = "field.json"
_OF_FRONT = 5
"""Networks of the front that are measured beside the field."""


def check(context: Context) -> None:
    """Checks the settings before any work is done.

    Raises:
        UserError: If there are several devices, or the device is neither this machine nor reached by
            ``table.host``.
    """
    config = context.config
    if not config.search.field:
        return
    seconds(config.search.field_budget, setting="search.field_budget")
    if config.search.objectives[0] != "accuracy":
        raise UserError("search.field compares accuracies; make accuracy the first of search.objectives")
    if len(found := targets(context)) > 1:
        raise UserError(
            f"search.field measures one device, not {len(found)}; search for one device at a time"
        )
    path = found[0].path
    if config.table.host is not None or path is None or not path.is_file():
        return
    device = load_table(path).device
    if not device.is_here:
        raise UserError(
            f"search.field measures networks on the device, but {path.name} is of another machine "
            f"({device.machine or device.name}); reach it by table.host=USER@HOST, or leave search.field out"
        )


def measure_field(context: Context, result: SearchResult, folder: Path) -> None:
    """Measures the field and some networks of the front; prints and writes both."""
    assert result.goals.forecast is not None
    data = result.goals.forecast.data
    field, front = read_field(data), _some_of_front(result)
    own = {each.candidate.code: each.candidate.network for each in front}
    measured = _measured(context, {**_specs(field, result), **own}, folder)
    rows = [_field_row(each, measured) for each in field] + [
        _front_row(each, measured, result) for each in front
    ]
    rows.sort(key=lambda row: row["latency"]["value"])
    value = {
        "data": data,
        "unit": measured.device.latency_unit,
        "disturbed": measured.disturbed,
        "networks": [{**row, "best": _is_best(row, rows)} for row in rows],
    }
    write_json(folder / FIELD, value)
    _print(value)
    say(f"field: {about_speed(measured)}")


def _specs(field: Sequence[FieldNetwork], result: SearchResult) -> dict[str, NetworkSpec]:
    problem = result.problem
    channels = problem.input_channels or problem.space.input_channels
    return {each.name: each.spec(classes=problem.classes, input_channels=channels) for each in field}


def _measured(context: Context, networks: Mapping[str, NetworkSpec], folder: Path) -> Measured:
    from nas.latency.measure.networks import measure_networks

    config = context.config
    with progress_bar(f"measuring {len(networks)} networks") as bar:
        return measure_networks(
            networks,
            device=context.device,
            folder=folder / "field",
            budget_s=seconds(config.search.field_budget, setting="search.field_budget"),
            target=None if config.table.host is None else target(config.table),
            seed=config.seed,
            progress=bar.measured,
        )


def _some_of_front(result: SearchResult) -> list[Evaluation]:
    """Returns the winner and networks spread over the front, if possible none extrapolated."""
    known = [each for each in result.front if not each.outcome.extrapolated] or list(result.front)
    step = max(1.0, (len(known) - 1) / max(1, _OF_FRONT - 2))
    spread = [known[min(len(known) - 1, round(i * step))] for i in range(min(len(known), _OF_FRONT - 1))]
    return list({each.candidate: each for each in (*spread, result.winner)}.values())


def _field_row(network: FieldNetwork, measured: Measured) -> dict[str, Any]:
    row = {"network": network.name, "from": "field", "top1": network.top1, "accuracy": "published"}
    return {**row, "source": network.source, "latency": _latency(network.name, measured)}


def _front_row(evaluation: Evaluation, measured: Measured, result: SearchResult) -> dict[str, Any]:
    code, outcome = evaluation.candidate.code, evaluation.outcome
    return {
        "network": code,
        "from": "winner" if evaluation is result.winner else "front",
        "top1": outcome.values[0],
        "accuracy": "extrapolated" if outcome.extrapolated else "predicted",
        "source": "",
        "latency": _latency(code, measured),
    }


def _latency(name: str, measured: Measured) -> dict[str, float]:
    latency = measured.latencies[name]
    return {"value": latency.value, "low": latency.low, "high": latency.high}


def _is_best(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Returns whether no other network is as fast and more accurate."""
    faster = [each for each in rows if each["latency"]["value"] <= row["latency"]["value"]]
    return all(each["top1"] <= row["top1"] for each in faster)


def _print(value: Mapping[str, Any]) -> None:
    heads = ("top-1, %", value["unit"], "95 % interval", "accuracy", "from", "network")
    rows = []
    for row in value["networks"]:
        latency, mark = row["latency"], "* " if row["best"] else "  "
        rows.append(
            (
                f"{mark}{100 * row['top1']:.1f}",
                f"{latency['value']:.3f}",
                f"{latency['low']:.3f} to {latency['high']:.3f}",
                row["accuracy"],
                row["from"],
                row["network"],
            )
        )
    print_grid([(head, "") for head in heads], rows, CONSOLE, name=len(heads) - 1)
    say(
        f"field: * no network here is as fast and more accurate; {value['data']} accuracies of the field are "
        "published ones, from several training recipes"
    )
