"""Whether a step reads the images as the step that it builds on did: else it would judge on trained ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nas.cli.steps.context import Context
from nas.errors import UserError
from nas.pipeline import RECORD, Step

_HARMLESS = frozenset({"data.augment", "data.root"})
"""Settings of the data that change neither the split nor the images that accuracies are computed on: images
in folders are told by their files, wherever they are."""

_LONGEST = 100
"""Characters of a list that a message shows."""


@final
@dataclass(frozen=True, kw_only=True)
class _Upstream:
    """What a step builds on.

    Attributes:
        folder: Its folder.
        command: What makes it again.
        free: Settings of the data that may differ.
    """

    folder: str
    command: str
    free: frozenset[str] = _HARMLESS


_SUPERNET = _Upstream(folder="supernet", command="nas train")
_TRAINED_ANEW = ("channels", "max_train_images", "store_size", "validation_fraction")
"""Settings of the data that leave the test images as they are, which is enough where training begins anew."""

_BUILDS_ON = {
    "trust": _SUPERNET,
    "search": _SUPERNET,
    "final": _Upstream(
        folder="search", command="nas search", free=_HARMLESS | {f"data.{name}" for name in _TRAINED_ANEW}
    ),
    "deploy": _Upstream(folder="final", command="nas finish"),
}


def check_images(context: Context, step: Step) -> None:
    """Compares the run's data with those of the step that this one builds on, by its record.

    It is for the first step of a command alone: what the others build on, the command itself makes, or finds
    made with the same settings.

    Raises:
        UserError: If they differ, or the record cannot be read.
    """
    upstream = _BUILDS_ON.get(step.name)
    if upstream is None or (step.name == "final" and context.config.finish.network is not None):
        return
    folder = context.path(upstream.folder)
    if not folder.is_dir():
        return
    there, here = _settings(folder, upstream.command), context.data_settings()
    if found := _differences(_by_name(there), _by_name(here), upstream.free):
        raise UserError(
            f"{folder} was made from other images or another split: {', '.join(found)}; "
            f"give the same settings, or make it again with `{upstream.command}`"
        )


def check_kind(
    context: Context, folder: Path, *, classes: Sequence[str], channels: int, command: str
) -> None:
    """Makes sure that weights are for images of the kind that the run has.

    Raises:
        UserError: If their classes or channels are others.
    """
    splits = context.data.splits
    pairs = (
        ("classes", list(classes), list(splits.classes)),
        ("channels", channels, splits.channels),
    )
    for name, there, here in pairs:
        if there != here:
            raise UserError(
                f"{folder} was made for images with {name} {_short(there)}, but {context.config.data.name} "
                f"has {_short(here)}; give the same data, or make it again with `{command}`"
            )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _settings(folder: Path, command: str) -> Mapping[str, Any]:
    """The settings that a folder was made with."""
    try:
        found: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, LookupError, TypeError):
        raise UserError(
            f"{folder / RECORD} is missing or damaged, and nothing else says which images {folder.name} "
            f"was made from; make it again with `{command}`"
        ) from None
    return found


def _by_name(settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings of the data as JSON, by their full names."""
    values = {f"data.{name}": value for name, value in settings["data"].items()}
    return {name: json.dumps(value) for name, value in {"seed": settings["seed"], **values}.items()}


def _differences(there: Mapping[str, str], here: Mapping[str, str], free: frozenset[str]) -> list[str]:
    """What differs, in words; of what an older record lacks nothing is known."""
    return [
        f"{name} was {there[name]} and is {value}"
        for name, value in here.items()
        if name not in free and there.get(name, value) != value
    ]
