"""Checks that a step uses the images and split of the step before: no training image may be evaluated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nas.cli.steps.context import Context
from nas.cli.steps.search.accuracy import accuracy_source
from nas.errors import UserError
from nas.pipeline import Step
from nas.records import RECORD, read_record

_HARMLESS = frozenset({"data.augment", "data.class_weights", "data.root"})
"""Data settings that change neither the split nor the evaluated images. Images in folders are identified by
their files, not by the folder's path."""

_LONGEST = 100
"""Characters of a list to show in a message."""


@final
@dataclass(frozen=True, kw_only=True)
class _Upstream:
    """The step that another one builds on.

    Attributes:
        folder: Folder of the step.
        command: Command that repeats the step.
        free: Data settings that may differ.
    """

    folder: str
    command: str
    free: frozenset[str] = _HARMLESS


_SUPERNET = _Upstream(folder="supernet", command="nas train")
_TRAINED_ANEW = ("channels", "max_train_images", "store_size", "validation_fraction")
"""Data settings that leave the test images unchanged, which is enough for networks trained from scratch."""

_BUILDS_ON = {
    "trust": _SUPERNET,
    "search": _SUPERNET,
    "scale": _SUPERNET,
    "final": _Upstream(
        folder="search", command="nas search", free=_HARMLESS | {f"data.{name}" for name in _TRAINED_ANEW}
    ),
    "deploy": _Upstream(folder="final", command="nas finish"),
}


def check_images(context: Context, step: Step) -> None:
    """Compares the run's data settings with the record of the step that this one builds on.

    Only the first step of a command needs this: later steps build on steps that the command itself runs, or
    skips because their settings match.

    Raises:
        UserError: If the data differ, or the record cannot be read.
    """
    upstream = _BUILDS_ON.get(step.name)
    scale, own = context.config.scale, context.config.finish.network
    source = accuracy_source(context)
    without = {
        "search": not source.reads_images,
        "scale": not scale.score_epochs,
        "final": own is not None,
    }
    if step.name == "final" and context.config.finish.uses_supernet:
        upstream, without = _SUPERNET, {}
    if upstream is None or without.get(step.name, False):
        return
    folder = context.path(upstream.folder)
    if not folder.is_dir():
        return
    there, here = _settings(folder, upstream.command), context.data_settings()
    if "data" not in there:
        return  # it read no images
    if differences := _differences(_by_name(there), _by_name(here), upstream.free):
        raise UserError(
            f"{folder} was made from other images or another split: {', '.join(differences)}; "
            f"give the same settings, or make it again with `{upstream.command}`"
        )


def check_kind(
    context: Context,
    folder: Path,
    *,
    classes: Sequence[str],
    channels: int,
    command: str,
    remedy: str = "",
) -> None:
    """Checks that weights fit the classes and channels of the run's images.

    Args:
        context: The run.
        folder: The folder of the weights.
        classes: Their classes.
        channels: Their input channels.
        command: The command that makes the folder again.
        remedy: What to do instead if the images are meant to be others.

    Raises:
        UserError: If the classes or channels differ.
    """
    from nas.pretrained.imagenet import same_classes

    splits = context.data.splits
    differing = (
        ("classes", list(classes), list(splits.classes), not same_classes(classes, splits.classes)),
        ("channels", channels, splits.channels, channels != splits.channels),
    )
    for name, there, here, differs in differing:
        if differs:
            raise UserError(
                f"{folder} was made for images with {name} {_short(there)}, but {context.config.data.name} "
                f"has {_short(here)}; give the same data, or make it again with `{command}`"
                f"{remedy and ', or '}{remedy}"
            )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _settings(folder: Path, command: str) -> Mapping[str, Any]:
    """Reads the settings that a folder was made with."""
    record = read_record(folder)
    if record is None or "settings" not in record:
        raise UserError(
            f"{folder / RECORD} is missing or damaged, and nothing else says which images {folder.name} "
            f"was made from; make it again with `{command}`"
        )
    settings: dict[str, Any] = record["settings"]
    return settings


def _by_name(settings: Mapping[str, Any]) -> dict[str, str]:
    """Returns the data settings as JSON, by their full names."""
    values = {f"data.{name}": value for name, value in settings["data"].items()}
    seed = {"seed": settings["seed"]} if "seed" in settings else {}  # no seed decides what is taken over
    return {name: json.dumps(value) for name, value in {**seed, **values}.items()}


def _differences(there: Mapping[str, str], here: Mapping[str, str], free: frozenset[str]) -> list[str]:
    """Describes the settings that differ; settings missing from an older record are skipped."""
    return [
        f"{name} was {there[name]} and is {value}"
        for name, value in here.items()
        if name not in free and there.get(name, value) != value
    ]
