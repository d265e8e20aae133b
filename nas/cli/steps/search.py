"""The step that searches the trained supernet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.cli.console import progress_bar, say
from nas.cli.steps import missing
from nas.cli.steps import supernet as supernet_step
from nas.cli.steps import table as table_step
from nas.cli.steps.context import Context
from nas.config import seconds
from nas.errors import UserError
from nas.files import sha256
from nas.latency import LatencyTable
from nas.network import NetworkSpec
from nas.pipeline import Step
from nas.search.samplers import Sampler, make_sampler
from nas.space import SearchSpace

OUTPUTS = ("journal.log", "trials.csv", "pareto.json", "winner.json", "control.json")


def step(context: Context) -> Step:
    """Searches for accuracy and predicted latency, with random search as its control."""
    return Step(
        name="search",
        folder=context.path("search"),
        settings={
            **context.settings("search"),
            **context.data_settings(),
            "calibration_images": context.config.train.calibration_images,
        },
        inputs={
            "search space": context.space_path,
            "supernet": context.path("supernet", "weights.safetensors"),
            "latency table": table_step.path(context),
        },
        outputs=OUTPUTS,
        run=lambda folder: _search(context, folder),
    )


def check(context: Context) -> None:
    """Finds what is wrong with the settings before anything is done."""
    table_step.check_missing(context)
    search = context.config.search
    if search.latency_ms is not None and search.latency_fraction is not None:
        raise UserError(
            "search.latency_ms and search.latency_fraction both bound the latency; set one of them"
        )
    sampler(context)
    searched_space(context)


def searched_space(context: Context) -> SearchSpace:
    """The space, without what the device dislikes if it is to be respected."""
    if not context.config.search.respect_device:
        return context.space
    device = context.config.device
    return context.space.restricted(
        preferred_blocks=device.preferred_blocks,
        channel_multiple=device.channel_multiple,
        max_width=device.max_width,
    )


def sampler(context: Context) -> Sampler:
    """What proposes networks, out of the configuration."""
    search = context.config.search
    return make_sampler(
        search.sampler, {"population": search.population} if search.sampler == "nsga2" else {}
    )


def bound_ms(context: Context, table: LatencyTable) -> float | None:
    """The winner's latency budget: absolute, or a share of the largest network's predicted latency."""
    search, splits = context.config.search, context.data.splits
    if search.latency_fraction is None:
        return search.latency_ms
    largest = context.space.network(
        context.space.largest(), classes=len(splits.classes), input_channels=splits.channels
    )
    return search.latency_fraction * table.predict(largest)


def _table(context: Context, folder: Path) -> LatencyTable:
    """The run's table, with every block of the space that is searched."""
    table, splits = table_step.read(context, table_step.path(context)), context.data.splits
    kept = folder / missing.TABLE
    if kept.is_file():
        return LatencyTable.load(kept)  # of an interrupted attempt: what it measured is not measured anew
    blocks = searched_space(context).block_specs(classes=len(splits.classes), input_channels=splits.channels)
    full = missing.completed(
        context,
        table,
        blocks,
        input_channels=splits.channels,
        folder=folder,
        budget_s=seconds(context.config.table.budget),
    )
    if full is not table:
        missing.save_completed(context, full, folder)
    return full


def _search(context: Context, folder: Path) -> None:
    from nas.search.objectives import accuracy, latency
    from nas.search.study import Progress, search

    config, splits = context.config.search, context.data.splits
    table = _table(context, folder)
    budget = bound_ms(context, table)
    judge = supernet_step.evaluator(context)

    def score(networks: Sequence[NetworkSpec]) -> list[float]:
        return [judge.accuracy(network).value for network in networks]

    with progress_bar("searching") as bar:

        def progress(now: Progress) -> None:
            bar.show(now.evaluated, now.trials)
            bar.note("random search, the control" if now.control else "")
            if not now.control and now.evaluation.usable:
                value, milliseconds = now.evaluation.outcome.values[:2]
                metrics = {"search/accuracy": value, "search/predicted_ms": milliseconds}
                context.tracker.log(metrics, step=now.evaluated)

        result = search(
            searched_space(context),
            objectives=[accuracy(score), latency(table, bound_ms=budget)],
            sampler=sampler(context),
            trials=config.trials,
            seed=context.config.seed,
            folder=folder,
            classes=len(splits.classes),
            input_channels=splits.channels,
            context={
                "supernet": sha256(context.path("supernet", "weights.safetensors")),
                "table": sha256(table_step.path(context)),
            },
            control=True,
            progress=progress,
        )
    found = dict(zip(("accuracy", "latency"), result.winner.outcome.values, strict=True))
    limit = "" if budget is None else f" (budget {budget:.3f} ms)"
    how = "estimated" if table.is_estimate(result.winner.candidate.network) else "predicted"
    say(
        f"search: {result.evaluated} networks; winner {result.winner.candidate.code}: "
        f"{found['accuracy']:.1%} on search-validation, {found['latency']:.3f} ms {how}{limit}"
    )
