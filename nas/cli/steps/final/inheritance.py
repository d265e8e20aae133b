"""What networks have before their final training: the supernet's weights, a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.steps.context import Context
from nas.cli.steps.final.entries import SCRATCH, SUPERNET, Entry
from nas.cli.steps.supernet import supernet as supernet_step
from nas.config import FinishConfig
from nas.errors import UserError, unknown
from nas.search.results.results import read_winner

if TYPE_CHECKING:
    from nas.nn import StaticNetwork
    from nas.training.distillation import Teacher

INITS = (SCRATCH, SUPERNET)


def check(config: FinishConfig) -> None:
    """Checks where weights and teacher come from."""
    if config.init not in INITS:
        raise unknown("finish.init", config.init, INITS)
    if config.teacher not in (None, SUPERNET):
        raise unknown("finish.teacher", config.teacher, (SUPERNET, "null"))
    if config.distill not in ("soft", "alpha"):
        raise unknown("finish.distill", config.distill, ("soft", "alpha"))
    if not 0 < config.teacher_share <= 1:
        raise UserError(
            f"finish.teacher_share is {config.teacher_share}; give the teacher's share of the loss, above 0 "
            "and at most 1"
        )


def inputs(context: Context) -> dict[str, Path]:
    """Returns the files that the networks start from."""
    config = context.config.finish
    if not config.uses_supernet:
        return {}
    files = {"supernet's weights": context.path(supernet_step.FOLDER, "weights.safetensors")}
    if config.init == SUPERNET and config.network is None:
        files["search's winner"] = context.path("search", "winner.json")
    return files


def source(context: Context, entry: Entry) -> StaticNetwork | None:
    """Returns the network whose weights a network inherits; ``None`` if it is trained from scratch.

    A network of the space inherits its own part of the supernet, a scaled one that of the search's winner.
    """
    if entry.init != SUPERNET:
        return None
    evaluator = supernet_step.evaluator(context)
    try:
        return evaluator.extract(entry.network)
    except UserError as misfit:
        if context.config.finish.network is not None:
            raise UserError(
                f"finish.init=supernet: {misfit}; set finish.init=scratch, or name a network of the space"
            ) from None
    return evaluator.extract(read_winner(context.path("search")).network)


def teacher(context: Context) -> Teacher | None:
    """Returns the network that all networks learn from: the largest one of the supernet."""
    from nas.training.distillation import Teacher

    config, space = context.config.finish, context.space
    if config.teacher is None:
        return None
    model = supernet_step.evaluator(context).extract(space.network(space.largest()))
    return Teacher(model=model, distill=config.distill, share=config.teacher_share)
