"""The step that compares the supernet's ranking with that of networks trained alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.supernet import supernet as supernet_step
from nas.config import OptimizationConfig
from nas.errors import UserError
from nas.files import write_json
from nas.pipeline import Step
from nas.records import RECORD, read_record
from nas.search.results.winners import CALIBRATED

if TYPE_CHECKING:
    from nas.network import NetworkSpec
    from nas.nn import StaticNetwork
    from nas.training.data import Images
    from nas.training.evaluation import Accuracy
    from nas.training.trust import Agreement, Calibrating, Compared, Ranking, Subject, Third, TrustPlan

FOLDER = "trust"
ROWS = "networks.csv"
RESULT = "trust.json"


def step(context: Context) -> Step:
    """Makes the step that compares the inherited accuracy with that of networks trained alone."""
    return Step(
        name=FOLDER,
        folder=context.path(FOLDER),
        settings={
            **context.settings("trust", "compute"),
            **context.data_settings(),
            "calibration_images": context.config.train.calibration_images,
        },
        inputs={
            "search space": context.space_path,
            "supernet's weights": context.path(supernet_step.FOLDER, "weights.safetensors"),
            **supernet_step.initial_files(context),
        },
        outputs=(ROWS, RESULT),
        run=lambda folder: _trust(context, folder),
    )


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    supernet_step.check(context)
    hyperparameters(context.config.trust)
    plan(context)


def plan(context: Context) -> TrustPlan:
    """Makes the plan of the comparison from the configuration."""
    from nas.training.trust import TrustPlan

    config = context.config.trust
    return TrustPlan(
        networks=config.networks,
        images=config.images,
        top=config.top,
        resamples=config.resamples,
        bands=config.bands,
    )


def subjects(context: Context) -> list[Subject]:
    """Returns the smallest network, the largest, and random ones of many sizes, or in bands of MACs."""
    import numpy as np

    from nas.space.stratified import banded, stratified
    from nas.training.trust import BAND, Subject

    space, splits = context.space, context.data.splits
    extremes = {"smallest": space.smallest(), "largest": space.largest()}
    count, bands = context.config.trust.networks, context.config.trust.bands
    rng = np.random.default_rng(context.config.seed)
    classes, channels = len(splits.classes), splits.channels
    if bands is not None:
        others = banded(space, count, rng, bands=bands, width=BAND, classes=classes, input_channels=channels)
    else:
        sample = stratified(space, count + len(extremes), rng, classes=classes, input_channels=channels)
        others = [arch for arch in sample if arch not in extremes.values()][:count]
    named = [*extremes.items(), *(("random", arch) for arch in others)]
    return [
        Subject(
            role=role,
            code=str(arch),
            network=space.network(arch, classes=classes, input_channels=channels),
        )
        for role, arch in named
    ]


def judging_images(context: Context) -> Images:
    """Returns the images for both accuracies."""
    splits = context.data.splits
    return {"validation": splits.validation, "test": splits.test}[context.config.trust.images]


def train_and_judge(
    context: Context, network: NetworkSpec, *, name: str, seed: int | None = None
) -> Accuracy:
    """Trains a network as the supernet began and evaluates it.

    Args:
        context: The run.
        network: The network.
        name: Labels the progress bar.
        seed: Determines the initial weights and the order of images; the run's seed by default.
    """
    from nas.training.evaluation import evaluate
    from nas.training.final import fit_network

    data, hyper = context.data, hyperparameters(context.config.trust)
    source, classifier = _beginning(context, network)
    with progress_bar(name, total=hyper.epochs * data.steps(hyper.batch_size)) as bar:
        model, _ = fit_network(
            network,
            data=data,
            hyper=hyper,
            seed=context.config.seed if seed is None else seed,
            source=source,
            classifier=classifier,
            on_step=bar.follow,
        )
        plain = data.plain(judging_images(context), resolution=network.resolution)
        accuracy = evaluate(model, plain, compute=data.compute)
        bar.note(f"{accuracy.value:.1%}")
    return accuracy


def _beginning(context: Context, network: NetworkSpec) -> tuple[StaticNetwork | None, bool]:
    """Returns the weights of a network when the supernet's training began, and whether its classifier counts.

    There are none if the supernet began with random weights, or was taken over as it is.
    """
    if context.config.train.init is None or supernet_step.is_taken_over(context):
        return None, True
    supernet, inherited = supernet_step.begun(context, supernet_step.initial_weights(context))
    return supernet.extract(network), inherited.classifier


def _trust(context: Context, folder: Path) -> None:
    from nas.training.trust import compare

    for line in differences(context):
        say(f"trust: {line}")
    evaluator = dataclasses.replace(supernet_step.evaluator(context), validation=judging_images(context))
    todo = subjects(context)
    names = {item.network: f"{item.role} network alone, {n}/{len(todo)}" for n, item in enumerate(todo, 1)}
    rows = compare(
        todo,
        inherited=evaluator.accuracy,
        alone=lambda network: train_and_judge(context, network, name=names[network]),
        path=folder / ROWS,
    )
    _summarize(context, rows, folder)


def differences(context: Context) -> list[str]:
    """Lists how the networks' training differs from the supernet's, according to its step's record."""
    folder = context.path(supernet_step.FOLDER)
    record = read_record(folder)
    if record is None:
        raise UserError(
            f"{folder / RECORD} is missing or damaged, and nothing else says how the supernet was "
            "trained; train it again: nas train"
        )
    trained: Mapping[str, Any] = record["settings"]["train"]
    if trained.get("epochs") == 0:
        return [f"the supernet was not trained here, but taken over from {trained['init']}"]
    own = dataclasses.asdict(context.config.trust)
    names = [field.name for field in dataclasses.fields(OptimizationConfig)]
    return _starts(trained.get("init"), context.config.train.init) + [
        f"networks are trained with {name}={own[name]}, the supernet was trained with {trained.get(name)}"
        for name in names
        if own[name] != trained.get(name)
    ]


def _starts(there: str | None, here: str | None) -> list[str]:
    """Says if the supernet and the networks begin with different weights."""
    usual = "random weights"
    return (
        []
        if there == here
        else [f"networks start from {here or usual}, the supernet started from {there or usual}"]
    )


def _summarize(context: Context, rows: Sequence[Compared], folder: Path) -> None:
    from nas.training.trust import BAND, Agreement, calibrating, random_only, ranking, thirds

    limits, config = plan(context), context.config.trust
    sampling = {"resamples": limits.resamples, "seed": context.config.seed}
    by_cost = thirds(rows, **sampling)
    every, near = ranking(rows, **sampling), ranking(rows, band=BAND, **sampling)
    calibrated = calibrating(rows, bands=limits.bands, **sampling)
    sets = {"all": rows, "without_extremes": random_only(rows)}
    agreements = {name: Agreement.of(part, top=limits.top, **sampling) for name, part in sets.items()}
    value = {
        "space": context.space.name,
        "images": limits.images,
        "image_count": rows[0].images,
        "calibration_images": context.config.train.calibration_images,
        "training": dataclasses.asdict(hyperparameters(config)),
        "differs_from_the_supernet": differences(context),
        "top": limits.top,
        "resamples": limits.resamples,
        "agreement": {name: agreement.to_dict() for name, agreement in agreements.items()},
        "thirds": [third.to_dict() for third in by_cost],
        "beyond_macs": {"band": BAND, "all": every.to_dict(), "equal_macs": near.to_dict()},
        "calibrated": calibrated and calibrated.to_dict(),
    }
    write_json(folder / RESULT, value)
    for line in (
        *summary(rows, agreements["all"], top=limits.top),
        *beyond_macs(by_cost, every, near),
        *calibration(calibrated, images=limits.images),
    ):
        say(f"trust: {line}")


def summary(rows: Sequence[Compared], found: Agreement, *, top: int) -> list[str]:
    """Summarises the comparison in a few lines."""
    extremes = [row for row in rows if row.role != "random"]
    gaps = ", ".join(f"{row.role} {100 * (row.alone - row.inherited):+.1f}" for row in extremes)
    return [
        f"{found.networks} networks on {rows[0].images} images, with 95 % intervals over networks",
        f"Kendall τ {found.kendall_tau}, Spearman {found.spearman}; τ of MACs {found.macs_kendall_tau}",
        f"precision at {top} {found.precision_at_top}: share of the supernet's best also best when alone",
        f"trained alone, a network gains {found.gap_points} points ({gaps})",
    ]


def calibration(found: Calibrating | None, *, images: str) -> list[str]:
    """Summarises what the supernet and the costs predict together; nothing with too few networks.

    Where they clearly rank better together than the supernet alone, a last line says how to search by them,
    unless test images were read, which must not choose a network.
    """
    if found is None:
        return []
    lines = [
        f"supernet, MACs and parameters together: τ {found.one_out}, networks left out one by one",
        f"the same, left out by {found.bands} bands of MACs: τ {found.band_out}",
        f"the latter minus τ of MACs: {found.advantage}",
        f"mean error of both: {found.error_points:.1f} and {found.band_error_points:.1f} points",
    ]
    if found.over_supernet.low > 0 and images == "validation":
        setting = f"search.objectives=[{CALIBRATED},latency]"
        lines.append(f"together they rank better than the supernet ({found.over_supernet}): {setting}")
    return lines


def beyond_macs(by_cost: Sequence[Third], every: Ranking, near: Ranking) -> list[str]:
    """Summarises what the supernet adds to MACs, in a few lines."""
    gains = ", ".join(f"{third.name} {third.gap_points.value:+.1f}" for third in by_cost)
    lines = [f"by cost: {gains} points", f"τ minus τ of MACs {every.advantage}"]
    if near.pairs:
        tau = f"τ {near.kendall_tau}, τ of MACs {near.macs_kendall_tau}"
        lines.append(f"{near.pairs} pairs of nearly equal MACs: {tau}")
    return lines
