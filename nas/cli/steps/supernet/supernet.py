"""The step that trains the supernet; loads the trained supernet for later steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.screen import progress_bar, say
from nas.cli.steps.context import Context, checkpoint_plan, hyperparameters, prefixed
from nas.cli.steps.same_images import check_kind
from nas.files import read_json
from nas.pipeline import Step

if TYPE_CHECKING:
    from nas.training.evaluation import SubnetEvaluator
    from nas.training.supernet import SupernetRecipe

FOLDER = "supernet"
OUTPUTS = ("weights.safetensors", "history.csv", "supernet.json")


def step(context: Context) -> Step:
    """Makes the step that trains the supernet."""
    return Step(
        name="supernet",
        folder=context.path(FOLDER),
        settings={**context.settings("train", "compute"), **context.data_settings()},
        inputs={"search space": context.space_path},
        outputs=OUTPUTS,
        run=lambda folder: _train(context, folder),
    )


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    context.check_data()
    recipe(context)
    checkpoint_plan(context.config.checkpoint)


def recipe(context: Context) -> SupernetRecipe:
    """Makes the supernet's recipe from the configuration."""
    from nas.training.recipes import make_recipe, option_names
    from nas.training.supernet import SupernetRecipe

    train = context.config.train
    values = {field.name: getattr(train, field.name) for field in dataclasses.fields(train)}
    options = {name: values[name] for name in option_names(train.recipe) if name in values}
    hyper, rule = hyperparameters(train), make_recipe(train.recipe, options)
    with prefixed("train."):
        return SupernetRecipe(
            hyper=hyper,
            rule=rule,
            calibration_images=train.calibration_images,
            kernel_transform=train.kernel_transform,
        )


def _train(context: Context, folder: Path) -> None:
    from nas.training.supernet import train_supernet

    plan, data = recipe(context), context.data
    where = context.compute.device
    say(f"supernet: {context.space.name}, {context.space.size:,} networks; training on {where}")
    with progress_bar("training the supernet") as bar:

        def epoch_done(row: dict[str, float]) -> None:
            loss = next(value for key, value in row.items() if key.startswith("loss"))
            bar.note(f"epoch {row['epoch']:.0f}/{plan.hyper.epochs} loss {loss:.3f}")
            context.tracker.log(
                {f"train/{k}": v for k, v in row.items() if k != "epoch"}, step=int(row["epoch"])
            )

        train_supernet(
            context.space,
            data=data,
            recipe=plan,
            seed=context.config.seed,
            folder=folder,
            checkpoints=checkpoint_plan(context.config.checkpoint),
            on_step=bar.follow,
            on_epoch=epoch_done,
        )


def evaluator(context: Context) -> SubnetEvaluator:
    """Makes the evaluator of the trained supernet's subnets on the search-validation images."""
    from nas.training.supernet import load_supernet, subnet_evaluator

    folder = context.path(FOLDER)
    supernet = load_supernet(context.space, folder, device=context.compute.device)
    classes = read_json(folder / "supernet.json")["classes"]
    check_kind(context, folder, classes=classes, channels=supernet.input_channels, command="nas train")
    return subnet_evaluator(supernet, data=context.data, recipe=recipe(context), seed=context.config.seed)
