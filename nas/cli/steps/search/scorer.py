"""What scores subnets, out of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.cli.steps.context import Context, prefixed
from nas.cli.steps.supernet import supernet as supernet_step
from nas.files import sha256

if TYPE_CHECKING:
    from nas.scoring import Scorer

CACHE = "evaluations.jsonl"


def check(context: Context) -> None:
    """Finds errors in the settings before anything is done.

    Raises:
        UserError: If a share of images, the data or the supernet's recipe cannot be as they are set.
    """
    from nas.scoring import check_shares

    context.check_data()
    supernet_step.recipe(context)  # calibrates the subnets
    search = context.config.search
    with prefixed("search."):
        check_shares(holdout_fraction=search.holdout_fraction, halving=search.halving)


def scorer(context: Context) -> Scorer:
    """Scores the subnets of a run's supernet."""
    from nas.scoring import EvaluationCache, Scorer

    evaluator, search = supernet_step.evaluator(context), context.config.search
    with prefixed("search."):
        return Scorer.of(
            evaluator,
            seed=context.config.seed,
            holdout_fraction=search.holdout_fraction,
            halving=search.halving,
            cache=EvaluationCache(context.path(CACHE), facts=facts(context)),
        )


def facts(context: Context) -> dict[str, object]:
    """What decides an accuracy besides the network and the held-out images: weights, split, calibration."""
    return {
        "supernet": sha256(context.path(supernet_step.FOLDER, "weights.safetensors")),
        **context.data_settings(),
        "calibration_images": context.config.train.calibration_images,
    }
