"""Accuracies of the supernet's subnets: in parts, kept for ever, and on images that the search never sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, final

from nas.cli.steps.context import Context
from nas.cli.steps.supernet import supernet as supernet_step
from nas.errors import UserError
from nas.files import sha256
from nas.network import NetworkSpec
from nas.search.trials.cache import EvaluationCache
from nas.statistics import Count

if TYPE_CHECKING:
    from nas.training.data import Images
    from nas.training.evaluation import SubnetEvaluator

CACHE = "evaluations.jsonl"


@final
@dataclass(frozen=True, kw_only=True)
class Judge:
    """Counts what subnets classify rightly.

    Attributes:
        evaluator: Extracts and calibrates a subnet.
        seen: The search's images.
        unseen: Images that are kept from the search; ``None`` if there are none.
        seen_cache: Counts on the first ones.
        unseen_cache: Counts on the others.
        int8_seen_cache: Counts on the first ones in INT8.
        int8_unseen_cache: Counts on the others in INT8.
        halving: Shares of the search's images, rising, after which an evaluation may be stopped.
    """

    evaluator: SubnetEvaluator
    seen: Images
    unseen: Images | None
    seen_cache: EvaluationCache
    unseen_cache: EvaluationCache
    int8_seen_cache: EvaluationCache
    int8_unseen_cache: EvaluationCache
    halving: Sequence[float]

    @property
    def images(self) -> int:
        """The number of the search's images."""
        return len(self.seen)

    def count(self, network: NetworkSpec) -> Count:
        """The accuracy on all of the search's images."""
        return list(_counts(self.evaluator, network, self.seen, [self.images], self.seen_cache))[-1]

    def int8_count(self, network: NetworkSpec) -> Count:
        """The accuracy on all of the search's images after quantisation to INT8, as it would run here."""
        return _int8_count(self.evaluator, network, self.seen, self.int8_seen_cache)

    def stages(self, network: NetworkSpec) -> Iterator[Count]:
        """The accuracy on growing parts of the search's images."""
        ends = [max(1, round(share * self.images)) for share in self.halving]
        ends = [*sorted({end for end in ends if end < self.images}), self.images]
        return _counts(self.evaluator, network, self.seen, ends, self.seen_cache)

    def held_out(self, network: NetworkSpec) -> Count:
        """The accuracy on the images that the search does not see."""
        assert self.unseen is not None
        ends = [len(self.unseen)]
        return list(_counts(self.evaluator, network, self.unseen, ends, self.unseen_cache))[-1]

    def int8_held_out(self, network: NetworkSpec) -> Count:
        """The accuracy in INT8 on the images that the search does not see."""
        assert self.unseen is not None
        return _int8_count(self.evaluator, network, self.unseen, self.int8_unseen_cache)


def check(context: Context) -> None:
    """Finds what is wrong with the settings before anything is done.

    Raises:
        UserError: If a share is none, or the images or the supernet's recipe cannot be as they are set.
    """
    context.check_data()
    supernet_step.recipe(context)  # calibrates the subnets
    search = context.config.search
    if not 0 <= search.holdout_fraction < 1:
        raise UserError(
            f"search.holdout_fraction is {search.holdout_fraction}; it is a share of images: 0 ≤ share < 1"
        )
    shares = [0.0, *search.halving, 1.0]
    if any(not low < high for low, high in pairwise(shares)):
        raise UserError(
            f"search.halving is {search.halving}; give shares between 0 and 1 that rise, e.g. [0.25, 0.5]"
        )


def judge(context: Context) -> Judge:
    """What gives the accuracies of a run's search."""
    import torch

    from nas.quantization import target_here
    from nas.training.data import subset

    evaluator = supernet_step.evaluator(context)
    images, share = evaluator.validation, context.config.search.holdout_fraction
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(context.config.seed))
    kept = round(share * len(images))
    if kept == len(images):
        raise UserError(
            f"search.holdout_fraction={share} leaves the search none of {len(images)} images; lower it, or "
            "raise data.validation_fraction"
        )
    parts: list[dict[str, str]] = [
        {"part": "seen"},
        {"part": "unseen"},
        {"part": "seen", "int8": target_here()},
        {"part": "unseen", "int8": target_here()},
    ]
    caches = [EvaluationCache(context.path(CACHE), facts={**facts(context), **part}) for part in parts]
    return Judge(
        evaluator=evaluator,
        seen=subset(images, order[kept:]),
        unseen=subset(images, order[:kept]) if kept else None,
        seen_cache=caches[0],
        unseen_cache=caches[1],
        int8_seen_cache=caches[2],
        int8_unseen_cache=caches[3],
        halving=context.config.search.halving,
    )


def facts(context: Context) -> dict[str, object]:
    """What decides an accuracy besides the network: weights, split and calibration."""
    return {
        "supernet": sha256(context.path(supernet_step.FOLDER, "weights.safetensors")),
        **context.data_settings(),
        "calibration_images": context.config.train.calibration_images,
        "holdout_fraction": context.config.search.holdout_fraction,
    }


def _int8_count(
    evaluator: SubnetEvaluator, network: NetworkSpec, images: Images, cache: EvaluationCache
) -> Count:
    """The count in INT8; what the cache knows is not done again."""
    from nas.deploy.int8 import int8_accuracy

    known = cache.get(network, len(images))
    if known is not None:
        return known
    found = int8_accuracy(
        evaluator.extract(network),
        calibration=evaluator.batches(evaluator.calibration, network),
        images=evaluator.batches(images, network),
    )
    count = Count(found.correct, found.total)
    cache.put(network, count)
    return count


def _counts(
    evaluator: SubnetEvaluator,
    network: NetworkSpec,
    images: Images,
    ends: Sequence[int],
    cache: EvaluationCache,
) -> Iterator[Count]:
    """The count on the first ``end`` images, for each end; what the cache knows is not done again."""
    from nas.training.data import subset
    from nas.training.evaluation import evaluate

    known = cache.get(network, ends[-1])
    if known is not None:
        yield known
        return
    model, correct, begin = evaluator.extract(network), 0, 0
    for end in ends:
        part = subset(images, range(begin, end))
        correct += evaluate(model, evaluator.batches(part, network), compute=evaluator.compute).correct
        begin = end
        cache.put(network, Count(correct, end))
        yield Count(correct, end)
