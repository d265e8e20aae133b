"""What scores subnets: on which images, in how many parts, and what is not counted twice."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nas.errors import UserError
from nas.nn import Supernet
from nas.scoring import EvaluationCache, Scorer
from nas.scoring.scorer import holdout_count
from nas.search import Goals, macs
from nas.space import SearchSpace
from nas.statistics import Count, balanced_count
from nas.training.data import Augment, Images, load_data
from nas.training.evaluation import SubnetEvaluator, evaluate
from nas.training.optimization import Compute
from nas.training.prepared import Prepared
from nas.training.trust import Calibration, features

FACTS = {"supernet": "abc", "data": {"name": "digits", "validation_fraction": 0.2}, "seed": 3}
FACTS |= {"calibration_images": 16}
EARLIER = {"seen": "6ea74b32f2eea5b08853aaf3", "unseen": "8b385544a65748963eba1eed"}
"""The keys of these facts with ``holdout_fraction=0.25``, by the version before this room."""

SPACE = SearchSpace.load("tiny_24")
NETWORK = SPACE.network(SPACE.smallest(), classes=10, input_channels=1)
NETWORK_CODE = "cd75495ed2b8b5876aac4c76"


@cache
def evaluator() -> SubnetEvaluator:
    """A supernet that nobody has trained, on 40 images."""
    splits = load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2, max_train_images=40)
    data = Prepared.of(splits, augment=Augment(flip=False), compute=Compute.choose("cpu"))
    torch.manual_seed(0)
    return SubnetEvaluator.of(
        Supernet(SPACE, classes=10, input_channels=1),
        train=data.splits.train,
        validation=data.splits.validation.take(torch.arange(40)),
        normalize=data.normalize,
        compute=data.compute,
        calibration_images=16,
        seed=0,
    )


def pixels(images: Images) -> list[bytes]:
    batches = evaluator().batches(images, NETWORK)
    return [image.numpy().tobytes() for batch, _ in batches for image in batch]


def test_the_accuracy_of_the_search_is_that_of_the_evaluator() -> None:
    scorer = Scorer.of(evaluator(), seed=0)
    accuracy = evaluator().accuracy(NETWORK)
    assert scorer.seen.count(NETWORK) == Count(accuracy.correct, 40)
    assert list(scorer.accuracy().evaluate([NETWORK])) == [accuracy.value]  # type: ignore[arg-type]
    assert scorer.remeasure(Goals([scorer.accuracy()])) is None


def test_held_out_images_are_others_than_those_of_the_search() -> None:
    scorer = Scorer.of(evaluator(), seed=0, holdout_fraction=0.25)
    assert scorer.held_out is not None
    seen, unseen = pixels(scorer.seen.images), pixels(scorer.held_out.images)
    assert (len(seen), len(unseen)) == (30, 10)
    assert sorted([*seen, *unseen]) == sorted(pixels(evaluator().validation))
    again = Scorer.of(evaluator(), seed=1, holdout_fraction=0.25)
    assert pixels(again.seen.images) != seen, "the seed decides which"
    remeasure = scorer.remeasure(Goals([scorer.accuracy(), macs()]))
    alone = dataclasses.replace(evaluator(), validation=scorer.held_out.images).accuracy(NETWORK)
    assert remeasure is not None
    assert remeasure(NETWORK) == Count(alone.correct, 10)


def test_stages_count_on_growing_parts_and_end_with_all_images() -> None:
    scorer = Scorer.of(evaluator(), seed=0, halving=[0.001, 0.25, 0.5, 0.999])
    stages = list(scorer.stages(NETWORK))
    assert [count.total for count in stages] == [1, 10, 20, 40]
    for count in stages:
        part = dataclasses.replace(evaluator(), validation=scorer.seen.images.take(torch.arange(count.total)))
        assert part.accuracy(NETWORK).correct == count.correct
    assert list(scorer.stages(NETWORK)) == [stages[-1]], "what is known is not evaluated again"
    assert scorer.accuracy().stages is not None
    assert Scorer.of(evaluator(), seed=0).accuracy().stages is None


def test_int8_is_counted_and_remeasured_as_such(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    scorer = Scorer.of(evaluator(), seed=0, holdout_fraction=0.25, cache=EvaluationCache(path, facts=FACTS))
    count = scorer.seen.int8_count(NETWORK)
    remeasure = scorer.remeasure(Goals([scorer.int8_accuracy()]))
    assert remeasure is not None
    assert (count.total, remeasure(NETWORK).total) == (30, 10)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({line["key"] for line in lines} - set(EARLIER.values())) == 2, "not mixed up with FP32"
    scorer.seen.int8_count(NETWORK)
    assert len(path.read_text().splitlines()) == 2


def test_a_calibrated_accuracy_follows_the_networks_trained_alone() -> None:
    rng = np.random.default_rng(0)
    inherited, costs = rng.uniform(0.1, 0.5, 12), 10.0 ** rng.uniform(4, 6, (2, 12))
    calibration = Calibration(inputs=features(inherited, *costs), alone=0.3 + 0.5 * inherited)
    plain = Scorer.of(evaluator(), seed=0, holdout_fraction=0.25)
    scorer = Scorer.of(evaluator(), seed=0, holdout_fraction=0.25, calibration=calibration)
    objective = scorer.calibrated_accuracy(bound=0.2)
    assert (objective.name, objective.bound) == ("calibrated_accuracy", 0.2)
    assert objective.images == pytest.approx(30 / 0.5**2, rel=0.1), "half of the noise"
    (value,) = objective.evaluate([NETWORK])  # type: ignore[arg-type]
    assert value == pytest.approx(0.3 + 0.5 * plain.seen.count(NETWORK).value, abs=0.01)

    goals = Goals([objective, macs()])
    remeasure, judge = scorer.remeasure(goals), scorer.judge(goals)
    assert remeasure is not None and judge is not None and plain.held_out is not None
    assert remeasure(NETWORK) == plain.held_out.count(NETWORK), "on hidden images it is not calibrated"
    assert judge(evaluator().extract(NETWORK)).count == plain.held_out.count(NETWORK)


def test_a_balanced_accuracy_counts_every_class_equally(tmp_path: Path) -> None:
    images = evaluator().validation
    order = torch.argsort(images.labels)  # all images of small digits, one of each large one
    kept = [i for i in order.tolist() if images.labels[i] < 3] + [int((images.labels == 9).nonzero()[0])]
    few = dataclasses.replace(evaluator(), validation=images.take(torch.tensor(kept)))
    path = tmp_path / "evaluations.jsonl"
    scorer = Scorer.of(few, seed=0, cache=EvaluationCache(path, facts=FACTS))
    labels = few.validation.labels
    model = few.extract(NETWORK)
    hits = torch.cat([model(x).argmax(1) == y for x, y in few.batches(few.validation, NETWORK)])
    mean = sum(float(hits[labels == k].float().mean()) for k in (0, 1, 2, 9)) / 4
    objective = scorer.balanced_accuracy()
    assert list(objective.evaluate([NETWORK])) == pytest.approx([mean])  # type: ignore[arg-type]
    sizes = [int((labels == k).sum()) for k in (0, 1, 2, 9)]
    assert objective.images == round(16 / sum(1 / size for size in sizes)) < len(labels)
    again = Scorer.of(few, seed=0, cache=EvaluationCache(path, facts=FACTS))
    assert again.seen.balanced_count(NETWORK) == scorer.seen.balanced_count(NETWORK)
    assert len(path.read_text().splitlines()) == 1, "it is cached"
    assert scorer.seen.count(NETWORK) == Count(int(hits.sum()), len(labels)), (
        "not mixed up with the plain one"
    )


@pytest.mark.parametrize("kind", ["accuracy", "balanced_accuracy", "int8_accuracy"])
def test_answers_image_by_image_are_those_that_are_counted(kind: str) -> None:
    """The judge of the finals, given a subnet as it is, agrees with the count of that subnet."""
    scorer = Scorer.of(evaluator(), seed=0, holdout_fraction=0.5)
    goals = Goals([getattr(scorer, kind)()])
    judge, remeasure = scorer.judge(goals), scorer.remeasure(goals)
    assert judge is not None and remeasure is not None
    answers, count = judge(evaluator().extract(NETWORK)), remeasure(NETWORK)
    assert answers.marks.shape == (20,)
    assert answers.marks.mean() == pytest.approx(answers.count.value) == pytest.approx(count.value)
    assert answers.count.total == count.total
    assert set(answers.marks.tolist()) <= {0.0, 1.0} or kind == "balanced_accuracy"


class Guess(nn.Module):
    """Names a class by the brightness of an image: right by chance, in several classes."""

    network = NETWORK

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.one_hot((1000 * x.mean((1, 2, 3)).abs()).long() % 10, 10).float()


def test_balanced_answers_weigh_images_by_their_classes() -> None:
    counter = Scorer.of(evaluator(), seed=0).seen
    answers = counter.balanced_answers(Guess())  # type: ignore[arg-type]
    batches = evaluator().batches(counter.images, NETWORK)
    accuracy = evaluate(Guess(), batches, compute=evaluator().compute, classes=10)
    assert len([correct for correct, _ in accuracy.by_class if correct]) > 1
    assert answers.count.value == pytest.approx(balanced_count(accuracy.by_class).value)
    assert answers.marks.mean() == pytest.approx(answers.count.value)
    assert set(answers.marks.tolist()) - {0.0, 1.0}


def test_nothing_is_judged_without_held_out_images() -> None:
    scorer = Scorer.of(evaluator(), seed=0)
    assert scorer.judge(Goals([scorer.accuracy()])) is None


@pytest.mark.parametrize("part", ["seen", "unseen"])
def test_counts_of_an_earlier_version_are_not_counted_again(tmp_path: Path, part: str) -> None:
    path, images = tmp_path / "evaluations.jsonl", {"seen": 30, "unseen": 10}[part]
    entry = {"key": EARLIER[part], "network": NETWORK_CODE, "correct": 9, "images": images}
    path.write_text(json.dumps(entry) + "\n")
    scorer = Scorer.of(evaluator(), seed=0, holdout_fraction=0.25, cache=EvaluationCache(path, facts=FACTS))
    counter = scorer.seen if part == "seen" else scorer.held_out
    assert counter is not None
    assert counter.count(NETWORK) == Count(9, images)
    other = Scorer.of(
        evaluator(), seed=0, holdout_fraction=0.25, cache=EvaluationCache(path, facts={**FACTS, "seed": 4})
    )
    assert other.seen.cache.get(NETWORK, images) is None


@pytest.mark.parametrize(
    ("images", "count"), [(1, 0), (40, 10), (500, 125), (1000, 375), (1250, 625), (5000, 2500)]
)
def test_of_few_images_the_search_gets_more_than_half(images: int, count: int) -> None:
    assert holdout_count(images, None) == count
    assert holdout_count(images, 0.5) == round(images / 2)


def test_the_automatic_share_is_held_out() -> None:
    scorer = Scorer.of(evaluator(), seed=0, holdout_fraction=None)
    assert scorer.held_out is not None
    assert (scorer.images, len(scorer.held_out.images)) == (30, 10)


@pytest.mark.parametrize(
    ("share", "halving", "message"),
    [
        (1.0, (), "holdout_fraction is 1.0; it is a share"),
        (0.999, (), "leaves the search none of 40 images"),
        (0.0, (0.5, 0.25), r"halving is \[0.5, 0.25\]; give shares between 0 and 1 that rise"),
        (0.0, (0.0,), "halving is"),
    ],
)
def test_shares_that_cannot_be_are_refused(share: float, halving: Sequence[float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Scorer.of(evaluator(), seed=0, holdout_fraction=share, halving=halving)
