"""The calibration of a supernet's accuracies by the networks that ``nas trust`` has trained alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.search import goals as goals_step
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.supernet import trust as trust_step
from nas.errors import UserError
from nas.files import sha256
from nas.records import RECORD, read_record
from nas.search.results.winners import CALIBRATED

if TYPE_CHECKING:
    from nas.training.trust import Calibration, Compared

_AGAIN = "compare them again: nas trust"
_INPUT = "networks trained alone (nas trust)"


def is_wanted(context: Context) -> bool:
    """Returns whether an objective or a bound of the search is calibrated."""
    return CALIBRATED in goals_step.wanted(context)


def check(context: Context) -> None:
    """Checks that enough networks have been trained alone, which ``nas run`` does not do.

    Raises:
        UserError: If they are missing, too few, or were compared on test images.
    """
    if not is_wanted(context):
        return
    if not _path(context).is_file():
        raise UserError(
            f"{CALIBRATED} needs networks trained alone, but {_path(context)} does not exist; make it first, "
            "with the same settings: nas train, then nas trust"
        )
    _rows(context)


def inputs(context: Context) -> Mapping[str, Path]:
    """Returns the file that the calibration is fitted to; none if no objective or bound is calibrated."""
    return {_INPUT: _path(context)} if is_wanted(context) else {}


def facts(context: Context) -> Mapping[str, str]:
    """Returns what must match for a search to resume; nothing if no objective or bound is calibrated."""
    return {name: sha256(path) for name, path in inputs(context).items()}


def calibration(context: Context) -> Calibration | None:
    """Fits the calibration; ``None`` if no objective or bound is calibrated.

    Raises:
        UserError: If the networks are too few, or were compared with another supernet or on test images.
    """
    if not is_wanted(context):
        return None
    import numpy as np

    from nas.training.trust import Calibration, features

    rows = _rows(context)
    weights, record = context.path(supernet_step.FOLDER, "weights.safetensors"), _record(context)
    if record["inputs"].get("supernet's weights") != sha256(weights):
        raise UserError(
            f"the networks of {_path(context)} were compared with another supernet than {weights}; {_AGAIN}"
        )
    columns = [[getattr(row, name) for row in rows] for name in ("inherited", "macs", "params")]
    return Calibration(inputs=features(*columns), alone=np.array([row.alone for row in rows]))


def say_quality(context: Context) -> None:
    """Prints how well the calibration predicts networks that it has not seen."""
    if not is_wanted(context):
        return
    from nas.training.trust import calibrating

    config = context.config.trust
    rows = _rows(context)
    found = calibrating(rows, resamples=config.resamples, seed=context.config.seed, bands=config.bands)
    assert found is not None, "too few networks are refused"
    say(
        f"search: accuracies are calibrated by {found.networks} networks trained alone; τ of the calibration "
        f"by all others {found.one_out}, of the supernet {found.supernet}, of MACs {found.macs}; error "
        f"{found.error_points:.1f} points"
    )


def _path(context: Context) -> Path:
    return context.path(trust_step.FOLDER, trust_step.ROWS)


def _record(context: Context) -> Mapping[str, Any]:
    folder = _path(context).parent
    record = read_record(folder)
    if record is None:
        raise UserError(f"{folder / RECORD} is missing or damaged; {_AGAIN}")
    return record


def _rows(context: Context) -> list[Compared]:
    from nas.training.trust import read_compared
    from nas.training.trust.calibrated import LEAST

    path, record = _path(context), _record(context)
    if record["settings"].get("trust", {}).get("images") != "validation":
        raise UserError(
            f"the networks of {path} were compared on test images, which must not choose a network; "
            f"{_AGAIN} trust.images=validation"
        )
    rows = read_compared(path)
    if len(rows) < LEAST:
        raise UserError(
            f"{path} has {len(rows)} networks, and {CALIBRATED} needs at least {LEAST}, better 14; train "
            f"more: nas trust trust.networks=12"
        )
    return rows
