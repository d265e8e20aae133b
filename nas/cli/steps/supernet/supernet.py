"""The step that trains the supernet; loads the trained supernet for later steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context, checkpoint_plan, hyperparameters, prefixed
from nas.cli.steps.same_images import check_kind
from nas.errors import UserError
from nas.files import read_json
from nas.pipeline import Step

if TYPE_CHECKING:
    from nas.nn import Supernet
    from nas.pretrained import Inherited, Located, Start, Store
    from nas.training.evaluation import SubnetEvaluator
    from nas.training.supernet import SupernetRecipe

FOLDER = "supernet"
HISTORY = "history.csv"
OUTPUTS = ("weights.safetensors", HISTORY, "supernet.json")

_ONLY_WITH_INIT = {"freeze_epochs": 0, "inherited_rate": 1.0}
"""Settings that need inherited weights, and their values without any."""


def step(context: Context) -> Step:
    """Makes the step that trains the supernet, or takes over one that others have trained."""
    located = _located(context)
    files = initial_files(context)
    if located is not None and is_taken_over(context):
        return Step(
            name="supernet",
            folder=context.path(FOLDER),
            settings={"train": {"init": context.config.train.init, "epochs": 0}, "data": {}},
            inputs={"search space": context.space_path, **files},
            outputs=OUTPUTS,
            run=lambda folder: _take_over(context, located, folder),
        )
    return Step(
        name="supernet",
        folder=context.path(FOLDER),
        settings={**_settings(context), **context.data_settings()},
        inputs={"search space": context.space_path, **files},
        outputs=OUTPUTS,
        run=lambda folder: _train(context, located, folder),
    )


def _settings(context: Context) -> dict[str, Any]:
    """Returns the settings that affect the supernet; some only matter with inherited weights."""
    settings = context.settings("train", "compute")
    if context.config.train.init is None:
        for name in ("init", *_ONLY_WITH_INIT):
            del settings["train"][name]
    return settings


def initial_weights(context: Context) -> Start:
    """Reads the weights of ``train.init``, which is set.

    Raises:
        UserError: If they do not exist, are damaged, or the run's space cannot take them.
    """
    located = _located(context)
    assert located is not None
    return _start(context, located)


def begun(context: Context, start: Start) -> tuple[Supernet, Inherited]:
    """Makes the supernet as its training begins, with the weights of ``train.init``."""
    from nas.training import supernet as training

    supernet, inherited = training.begun(
        context.space,
        data=context.data_for(start),
        recipe=recipe(context),
        seed=context.config.seed,
        start=start,
    )
    assert inherited is not None
    return supernet, inherited


def store(context: Context) -> Store:
    """Returns where the files of pretrained networks lie."""
    from nas.pretrained import Store

    config = context.config.pretrained
    folder = None if config.folder is None else Path(config.folder).expanduser()
    return Store(folder=folder, download=config.download)


def is_taken_over(context: Context) -> bool:
    """Returns whether the supernet was trained by others and is not trained further."""
    train = context.config.train
    return train.init is not None and train.epochs == 0


def initial_files(context: Context) -> dict[str, Path]:
    """Returns the files of the weights to start from, by what they are."""
    located = _located(context)
    return {} if located is None else {f"initial {what}": path for what, path in located.files.items()}


def _located(context: Context) -> Located | None:
    """Returns the files of the weights to start from; ``None`` for random weights.

    Raises:
        UserError: If they do not exist.
    """
    init = context.config.train.init
    if init is None:
        return None
    from nas.pretrained import locate

    with prefixed("train.init: "):
        located = locate(init, store=store(context))
    own = context.path(FOLDER).resolve()
    if own in (path.resolve().parent for path in located.files.values()):
        raise UserError(f"train.init is the supernet of this run, {own}; set another run_dir")
    return located


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    context.check_data()
    recipe(context)
    checkpoint_plan(context.config.checkpoint)
    located = _located(context)
    if located is not None:
        _start(context, located)


def recipe(context: Context) -> SupernetRecipe:
    """Makes the supernet's recipe from the configuration."""
    from nas.training.recipes import make_recipe, option_names
    from nas.training.supernet import SupernetRecipe

    train = context.config.train
    for name, default in _ONLY_WITH_INIT.items():
        if train.init is None and getattr(train, name) != default:
            raise UserError(
                f"train.{name} is {getattr(train, name)}, but nothing is inherited; set train.init"
            )
    values = {field.name: getattr(train, field.name) for field in dataclasses.fields(train)}
    options = {name: values[name] for name in option_names(train.recipe) if name in values}
    # A supernet that is taken over has a recipe too: it says how subnets are calibrated.
    trained = dataclasses.replace(train, epochs=1) if is_taken_over(context) else train
    hyper, rule = hyperparameters(trained), make_recipe(train.recipe, options)
    with prefixed("train."):
        return SupernetRecipe(
            hyper=hyper,
            rule=rule,
            calibration_images=train.calibration_images,
            kernel_transform=train.kernel_transform,
            freeze_epochs=train.freeze_epochs,
            inherited_rate=train.inherited_rate,
        )


def _take_over(context: Context, located: Located, folder: Path) -> None:
    from nas.training.supernet import take_over

    start = _start(context, located)
    with prefixed("train.init: "):
        take_over(context.space, start=start, folder=folder)
    say(
        f"supernet: {context.space.name}, {context.space.size:,} networks; taken over from "
        f"{context.config.train.init}: {len(start.classes)} classes, no images read"
    )


def _start(context: Context, located: Located) -> Start:
    """Reads the weights to start from.

    Raises:
        UserError: If they are damaged, or the run's space cannot take them.
    """
    with prefixed("train.init: "):
        start = located.read()
        start.check(context.space)
    return start


def _train(context: Context, located: Located | None, folder: Path) -> None:
    from nas.training.supernet import train_supernet

    start = None if located is None else _start(context, located)
    plan, data = recipe(context), context.data_for(start)
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
            start=start,
            checkpoints=checkpoint_plan(context.config.checkpoint),
            on_start=_report,
            on_step=bar.follow,
            on_epoch=epoch_done,
        )


def _report(inherited: Inherited) -> None:
    classifier = "with its classifier" if inherited.classifier else "with a new classifier"
    say(f"supernet: {inherited.share:.0%} of the weights are from {inherited.origin.name}, {classifier}")
    for note in inherited.notes:
        say(f"supernet: {note}")


def evaluator(context: Context) -> SubnetEvaluator:
    """Makes the evaluator of the trained supernet's subnets on the search-validation images."""
    from nas.training.data import Normalization
    from nas.training.supernet import load_supernet, subnet_evaluator

    folder = context.path(FOLDER)
    supernet = load_supernet(context.space, folder, device=context.compute.device)
    summary = read_json(folder / "supernet.json")
    check_kind(
        context,
        folder,
        classes=summary["classes"],
        channels=supernet.input_channels,
        command="nas train",
        remedy=f"fine-tune it for these images: nas train train.init={context.run_dir} run_dir=ANOTHER",
    )
    made = subnet_evaluator(supernet, data=context.data, recipe=recipe(context), seed=context.config.seed)
    normalize = Normalization(mean=tuple(summary["mean"]), std=tuple(summary["std"]))
    return dataclasses.replace(made, normalize=normalize)
