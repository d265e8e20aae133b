"""Published accuracies: the files, the predictor, and what is marked as extrapolated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import UserError
from nas.published import PublishedAccuracy, published_path, published_spaces, read_published
from nas.published.predictor import AccuracyPredictor
from nas.published.process import Inputs, _Density
from nas.search import Problem
from nas.space import SearchSpace
from nas.statistics import kendall_tau
from tests.published import small


@pytest.fixture
def own(tmp_path: Path) -> SearchSpace:
    return small.space(tmp_path)


@pytest.fixture
def predicted(own: SearchSpace, tmp_path: Path) -> PublishedAccuracy:
    path = small.write(tmp_path, small.content(own))
    return PublishedAccuracy(Problem(own, small.CLASSES, small.CHANNELS), read_published(path, space=own))


def rows_at(own: SearchSpace, resolution: int, count: int = 200) -> Any:
    rows = np.unique(own.sample_many(count, np.random.default_rng(7)), axis=0)
    return rows[[arch.resolution == resolution for arch in own.decode(rows)]]


def test_unseen_networks_are_predicted_better_than_by_their_costs(predicted: PublishedAccuracy) -> None:
    rows = rows_at(predicted.problem.space, 24)
    true = small.truth(predicted.problem, rows)
    macs = predicted.problem.space.costs(rows, classes=small.CLASSES)["macs"]
    tau = kendall_tau(predicted.mean(rows), true)
    assert tau > 0.95
    assert tau > kendall_tau(macs, true)
    assert np.abs(predicted.mean(rows) - true).mean() < 0.003


def test_the_stated_error_is_near_the_true_one(predicted: PublishedAccuracy) -> None:
    rows = np.concatenate([rows_at(predicted.problem.space, each) for each in small.KNOWN])
    true = np.abs(predicted.mean(rows) - small.truth(predicted.problem, rows)).mean()
    stated = predicted.predictor.held_out
    assert stated.networks == len(predicted.labels[1])
    assert 0.3 * true < stated.mean < 3 * true
    assert stated.mean <= stated.rms


def test_labels_left_out_are_those_of_a_process_without_them(predicted: PublishedAccuracy) -> None:
    process = predicted.predictor.process
    means, deviations = process.left_out()
    rest = np.arange(1, len(process.targets))
    without = type(process)(process.inputs.take(rest), process.targets[rest], process.hyper)
    first = process.inputs.take(np.array([0]))
    assert without.mean(first)[0] == pytest.approx(means[0], abs=1e-6)
    assert without.deviation(first)[0] == pytest.approx(deviations[0], abs=1e-5)


def test_the_gradient_of_the_density_is_that_of_its_values() -> None:
    rng = np.random.default_rng(0)
    inputs = Inputs((rng.normal(size=(12, 3)), rng.normal(size=(12, 2))), (rng.normal(size=(12, 2)),))
    density = _Density(inputs, rng.normal(size=12))
    point = density.middle + rng.normal(0, 0.2, len(density.middle))
    for axis, slope in enumerate(density(point)[1]):
        step = np.zeros(len(point))
        step[axis] = 1e-5
        difference = (density(point + step)[0] - density(point - step)[0]) / 2e-5
        assert slope == pytest.approx(difference, rel=1e-4, abs=1e-6)


def test_other_resolutions_and_extremes_are_extrapolated(predicted: PublishedAccuracy) -> None:
    own, (rows, _) = predicted.problem.space, predicted.labels
    assert not predicted.extrapolates(rows).any()
    assert predicted.extrapolates(rows_at(own, 16)).all()
    inside = predicted.extrapolates(rows_at(own, 24))
    assert inside.mean() < 0.5
    costs = own.costs(rows, classes=small.CLASSES)["macs"]
    largest = own.encode([own.largest()])
    if own.costs(largest, classes=small.CLASSES)["macs"][0] > costs.max():
        assert predicted.extrapolates(largest).all()


def test_choices_that_no_label_has_are_extrapolated(own: SearchSpace, tmp_path: Path) -> None:
    value = small.content(own, count=500)
    codes = value["top1_percent"].items()
    value["top1_percent"] = {code: top1 for code, top1 in codes if "5" not in code.split("-")[2]}
    published = read_published(small.write(tmp_path, value), space=own)
    predicted = PublishedAccuracy(Problem(own, small.CLASSES, small.CHANNELS), published)
    rows = rows_at(own, 24)
    new = np.array(["5" in str(arch).split("-")[2] for arch in own.decode(rows)])
    assert predicted.extrapolates(rows)[new].all()
    assert predicted.extrapolates(rows)[~new].mean() < 0.5


def test_networks_less_certain_than_every_label_are_extrapolated(own: SearchSpace, tmp_path: Path) -> None:
    """Of shallow labels, deep networks are the less certain the deeper they are."""
    value = small.content(own, count=500)
    codes = value["top1_percent"].items()
    value["top1_percent"] = {code: top1 for code, top1 in codes if "d3" not in code}
    published = read_published(small.write(tmp_path, value), space=own)
    predicted = PublishedAccuracy(Problem(own, small.CLASSES, small.CHANNELS), published)
    rows = rows_at(own, 24, 400)
    blocks = np.array([str(arch).count("d3") for arch in own.decode(rows)])
    unlike = predicted.predictor.is_unlike(rows)
    assert unlike[blocks == 2].mean() > 0.5 > 0.2 > unlike[blocks == 0].mean()


def test_errors_grow_at_an_unknown_resolution_as_those_of_other_networks(
    predicted: PublishedAccuracy,
) -> None:
    own = predicted.problem.space
    low = rows_at(own, 16)
    near = own.encode(
        [type(arch).from_dict({**arch.to_dict(), "resolution": 24}) for arch in own.decode(low)]
    )
    exponent = np.log(0.4 / 0.2) / np.log(32 / 16)
    assert predicted.published.exponent == pytest.approx(exponent)
    expected = (1 - predicted.mean(near)) * (24 / 16) ** exponent
    assert 1 - predicted.mean(low) == pytest.approx(expected)


def test_a_resolution_without_a_known_effect_is_refused(own: SearchSpace, tmp_path: Path) -> None:
    value = {name: each for name, each in small.content(own).items() if name != "resolution_effect"}
    published = read_published(small.write(tmp_path, value), space=own)
    predicted = PublishedAccuracy(Problem(own, small.CLASSES, small.CHANNELS), published)
    assert np.isfinite(predicted.mean(rows_at(own, 24))).all()
    with pytest.raises(UserError, match=r"at 24, 32 pixels and say nothing of other resolutions"):
        predicted.mean(rows_at(own, 16))


def test_a_network_counts_once(own: SearchSpace, tmp_path: Path) -> None:
    value = small.content(own)
    published = read_published(small.write(tmp_path, value), space=own)
    rows, values = published.rows(Problem(own, small.CLASSES, small.CHANNELS))
    assert len(np.unique(rows, axis=0)) == len(rows) == len(values)
    assert [str(arch) for arch in own.decode(rows)] == list(value["top1_percent"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(schema=2), r"has schema 2; this version reads schema 1"),
        (lambda v: v.update(space="other"), r"is of the space 'other', not of small"),
        (lambda v: v.update(space="a\nb"), r"is of the space 'a\\nb', not of small$"),
        (lambda v: v.pop("classes"), r"cannot be read \(KeyError\('classes'\)\); restore the file"),
        (lambda v: v.update(top1_percent={}), r"the accuracies of 0 networks; a predictor needs 20 or more"),
        (lambda v: v["top1_percent"].update(zz=140), r"the accuracy of 'zz' is 140 %, not 0 to 100"),
    ],
)
def test_damaged_files(
    own: SearchSpace, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    value, path = small.content(own), small.write(tmp_path, small.content(own))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_published(path, space=own)


def test_a_space_without_published_accuracies_names_those_with_some(own: SearchSpace) -> None:
    assert "ofa_mobilenet_v3" in published_spaces()
    with pytest.raises(
        UserError, match=r"no accuracies of small are published; .* has those of ofa_mobilenet_v3"
    ):
        published_path(own)
    ofa = SearchSpace.load("ofa_mobilenet_v3")
    published = read_published(published_path(ofa), space=ofa)
    with pytest.raises(UserError, match="the accuracies are of ofa_mobilenet_v3, not of small"):
        PublishedAccuracy(Problem(own), published)


def test_the_shipped_file_predicts_networks_that_it_was_not_fitted_to() -> None:
    space = SearchSpace.load("ofa_mobilenet_v3")
    published = read_published(published_path(space), space=space)
    rows, values = published.rows(Problem(space))
    assert len(rows) == 530
    order = np.random.default_rng(2026).permutation(len(rows))
    labelled, rest = order[:200], order[200:]
    mean = AccuracyPredictor.fit(Problem(space), rows[labelled], values[labelled]).mean(rows[rest])
    assert kendall_tau(mean, values[rest]) > 0.955
    assert 100 * np.abs(mean - values[rest]).mean() < 0.065
