"""Validation accuracies of scaled networks: from the supernet, or after a short training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.final.method import method
from nas.cli.steps.supernet import supernet as supernet_step
from nas.errors import UserError
from nas.network import NetworkSpec

WEIGHTS = "weights.safetensors"


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    context.check_data()
    supernet_step.recipe(context)
    hyperparameters(context.config.finish)
    method(context)


def scores(context: Context, networks: Sequence[NetworkSpec]) -> list[float]:
    """Returns the validation accuracies of networks, all obtained in the same way.

    If the run's supernet holds all of them, they inherit its weights; else each is trained for
    ``scale.score_epochs`` epochs, with the settings of ``finish`` and the same seed.
    """
    inherited = _inherited(context, networks)
    if inherited is not None:
        say(f"scale: {len(networks)} networks scored with the supernet's weights")
        return inherited
    epochs = context.config.scale.score_epochs
    say(f"scale: {len(networks)} networks scored by training for {epochs} epochs each")
    with progress_bar("scoring", total=len(networks)) as bar:
        accuracies = []
        for network in networks:
            accuracies.append(_trained(context, network))
            bar.step()
    return accuracies


def _inherited(context: Context, networks: Sequence[NetworkSpec]) -> list[float] | None:
    """Returns accuracies with the supernet's weights; ``None`` if it lacks one of the networks."""
    if not context.path(supernet_step.FOLDER, WEIGHTS).is_file():
        return None
    evaluator = supernet_step.evaluator(context)
    try:
        for network in networks:
            evaluator.supernet.extract(network)
    except UserError:
        return None
    return [evaluator.accuracy(network).value for network in networks]


def _trained(context: Context, network: NetworkSpec) -> float:
    from nas.training.evaluation import evaluate
    from nas.training.final import fit_network

    data = context.data
    hyper = replace(hyperparameters(context.config.finish), epochs=context.config.scale.score_epochs)
    splits = data.splits
    network = replace(network, classes=len(splits.classes), input_channels=splits.channels)
    how = replace(method(context), patience=0, int8_epochs=0)  # the training is short as it is
    model, _ = fit_network(network, data=data, hyper=hyper, seed=context.config.seed, method=how)
    batches = data.plain(splits.validation, resolution=network.resolution)
    return evaluate(model, batches, compute=data.compute).value
