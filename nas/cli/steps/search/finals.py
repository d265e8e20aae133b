"""The finals of a search: its best networks are trained a little, from the supernet's weights."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context, checkpoint_plan, hyperparameters, prefixed
from nas.cli.steps.search.accuracy import Accuracies
from nas.cli.steps.supernet import supernet as supernet_step
from nas.errors import UserError
from nas.search import SearchResult
from nas.search.results.files import write_finals
from nas.search.results.finals import Answers, Tune, choose_finalists, compete, schedule
from nas.search.results.winners import ACCURACIES
from nas.search.trials.evaluation import Evaluation

if TYPE_CHECKING:
    from nas.nn import StaticNetwork
    from nas.scoring.scorer import Judge
    from nas.training.optimization import Hyperparameters

FINALISTS = "finalists.json"
SETTINGS = ("finalists", "finalist_epochs", "finalist_rate")
_WEIGHTS = "finalists"
"""Folder of the finalists' weights while they compete."""


def are_held(context: Context) -> bool:
    """Returns whether the search has finals."""
    return context.config.search.finalists > 1


def check(context: Context) -> None:
    """Checks the settings before any work is done.

    Raises:
        UserError: If a number is out of range, the first objective is no accuracy, or no image is held out.
    """
    config = context.config.search
    if config.finalists < 1:
        raise UserError(f"search.finalists is {config.finalists}; give 1 for none, or better 4")
    if not are_held(context):
        return
    if not 0 < config.finalist_rate <= 1:
        raise UserError(
            f"search.finalist_rate is {config.finalist_rate}; it is a factor on train.learning_rate: "
            "0 < factor ≤ 1"
        )
    if config.objectives[0] not in ACCURACIES:
        raise UserError(
            f"search.finalists compares accuracies, but the first of search.objectives is "
            f"{config.objectives[0]}; put one of {', '.join(ACCURACIES)} first, or set search.finalists=1"
        )
    if config.holdout_fraction == 0:
        raise UserError(
            "search.finalists compares networks on images hidden from the search, but "
            "search.holdout_fraction=0 hides none; set it to null, or to a share above 0"
        )
    with prefixed("search."):
        schedule(config.finalists, config.finalist_epochs)
    short_training(context, epochs=1)
    checkpoint_plan(context.config.checkpoint)


def settings(context: Context) -> dict[str, Any]:
    """Returns the settings that decide the finals, besides those of the search; none without finals."""
    if not are_held(context):
        return {}
    hyper = short_training(context, epochs=1)
    return {"finals": {"training": dataclasses.asdict(hyper), **context.settings("compute")}}


def short_training(context: Context, *, epochs: int) -> Hyperparameters:
    """Returns the supernet's optimisation for a short training at a low rate, which needs no warm-up."""
    train = context.config.train
    rate = train.learning_rate * context.config.search.finalist_rate
    return hyperparameters(dataclasses.replace(train, epochs=epochs, learning_rate=rate, warmup_epochs=0.0))


def hold_finals(context: Context, result: SearchResult, accuracies: Accuracies, folder: Path) -> SearchResult:
    """Lets the best networks of a search compete, and replaces its winner by theirs.

    A finished round of a network is kept in the folder, so that an interrupted call goes on from there.

    Raises:
        UserError: If no image is held out, or a training fails.
    """
    config, goals = context.config.search, result.goals
    judge, remeasure = accuracies.judge(goals), accuracies.remeasure(goals)
    if judge is None or remeasure is None:
        raise UserError(
            "search.finalists compares networks on images hidden from the search, but there are none; raise "
            "search.holdout_fraction, or set search.finalists=1"
        )
    most, seed = config.finalists, context.config.seed
    finalists = choose_finalists(goals, result.evaluations, result.winner, most=most, seed=seed)
    if len(finalists) < 2:
        say("search: one network only is within the bounds, so there are no finals")
        write_finals(folder, result, remeasure(result.winner.candidate.network))
        return result
    tune = _tune(context, judge, folder / _WEIGHTS, finalists)
    finals = compete(goals, finalists, epochs=config.finalist_epochs, tune=tune)
    decided = result.decided(finals)
    write_finals(folder, decided, remeasure(decided.winner.candidate.network))
    shutil.rmtree(folder / _WEIGHTS)
    return decided


def _tune(context: Context, judge: Judge, folder: Path, finalists: list[Evaluation]) -> Tune:
    """Makes the function that trains and evaluates a finalist."""
    evaluator = supernet_step.evaluator(context)
    places = {each.number: f"finalist {n}/{len(finalists)}" for n, each in enumerate(finalists, 1)}

    def weights(finalist: Evaluation, epochs: int) -> Path:
        return folder / f"{finalist.number}-{epochs}.safetensors"

    def tune(finalist: Evaluation, begin: int, end: int) -> Answers:
        path, name = weights(finalist, end), f"{places[finalist.number]}, {_span(begin + 1, end)}"
        model = _read(finalist, path)
        if model is None:
            source = _read(finalist, weights(finalist, begin)) if begin else None
            if source is None:
                source = evaluator.extract(finalist.candidate.network)
            model = _trained(context, source, path, epochs=end - begin, name=name)
        answers = judge(model.to(evaluator.compute.device).eval())
        say(f"search: {name}: {answers.count.value:.1%} on {answers.count.total} held-out images")
        return answers

    return tune


def _span(first: int, last: int) -> str:
    return f"epoch {last}" if first == last else f"epochs {first} to {last}"


def _read(finalist: Evaluation, path: Path) -> StaticNetwork | None:
    """Reads the weights of a finished round; ``None`` if it is still to be done."""
    from nas.nn import StaticNetwork
    from nas.training.weights import load_weights

    if not path.is_file():
        return None
    model = StaticNetwork(finalist.candidate.network)
    load_weights(model, path)
    return model


def _trained(context: Context, source: StaticNetwork, path: Path, *, epochs: int, name: str) -> StaticNetwork:
    """Trains a network further and writes its weights; resumes from checkpoints."""
    from nas.training.checkpoint import Checkpoints
    from nas.training.final import fit_network
    from nas.training.weights import save_weights

    data, hyper, states = context.data, short_training(context, epochs=epochs), path.with_suffix("")
    checkpoints = Checkpoints(
        folder=states,
        plan=dataclasses.replace(checkpoint_plan(context.config.checkpoint), best_every_epochs=0),
        about={"network": source.network.to_dict(), **settings(context)},
    )
    with progress_bar(name, total=epochs * data.steps(hyper.batch_size)) as bar:
        model, _ = fit_network(
            source.network,
            data=data,
            hyper=hyper,
            seed=context.config.seed,
            source=source,
            checkpoints=checkpoints,
            on_step=bar.follow,
        )
    save_weights(model, path, metadata={"name": name})
    shutil.rmtree(states, ignore_errors=True)
    return model
