"""Inherited against stand-alone accuracy: resumable, and with figures that follow from the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.space import SearchSpace
from nas.training.evaluation import Accuracy
from nas.training.trust import Agreement, Compared, Subject, TrustPlan, compare, random_only, read_compared

IMAGES = 1000


def compared(role: str, *, macs: int, inherited: int, alone: int) -> Compared:
    return Compared(
        role=role,
        code=f"r{macs}",
        resolution=32,
        macs=macs,
        params=10,
        images=IMAGES,
        inherited_correct=inherited,
        alone_correct=alone,
        seconds=0.5,
    )


ROWS = [
    compared("smallest", macs=1, inherited=500, alone=520),
    compared("largest", macs=90, inherited=800, alone=830),
    compared("random", macs=20, inherited=600, alone=700),
    compared("random", macs=30, inherited=650, alone=640),
    compared("random", macs=25, inherited=700, alone=710),
]


def test_agreement_holds_what_its_names_say() -> None:
    found = Agreement.of(ROWS, top=2, resamples=100, seed=0)
    inherited, alone = [500, 800, 600, 650, 700], [520, 830, 700, 640, 710]
    assert found.networks == 5
    assert found.kendall_tau.value == pytest.approx(stats.kendalltau(inherited, alone).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(inherited, alone).statistic)
    control = stats.kendalltau([1, 90, 20, 30, 25], alone).statistic
    assert found.macs_kendall_tau.value == pytest.approx(control)
    assert found.macs_kendall_tau.value != found.kendall_tau.value
    assert found.precision_at_top.value == 1  # both put 830 and 710 on top
    assert found.gap_points.value == pytest.approx((2 + 3 + 10 - 1 + 1) / 5)
    for interval in (found.kendall_tau, found.spearman, found.gap_points):
        assert interval.low < interval.value <= interval.high
    assert found.to_dict()["gap_points"]["value"] == found.gap_points.value


def test_without_extremes_only_the_random_ones_count() -> None:
    assert random_only(ROWS) == ROWS[2:]
    found = Agreement.of(random_only(ROWS), top=1, resamples=10, seed=0)
    assert found.networks == 3
    assert found.kendall_tau.value == pytest.approx(1 / 3)


def subjects() -> list[Subject]:
    space = SearchSpace.load("tiny_24")
    archs = {"smallest": space.smallest(), "largest": space.largest()}
    return [Subject(role=r, code=str(arch), network=space.network(arch)) for r, arch in archs.items()]


def test_an_interrupted_comparison_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "networks.csv"
    trained: list[NetworkSpec] = []

    def interrupted(network: NetworkSpec) -> Accuracy:
        if trained:
            raise KeyboardInterrupt
        trained.append(network)
        return Accuracy(700, IMAGES)

    todo = subjects()
    with pytest.raises(KeyboardInterrupt):
        compare(todo, inherited=lambda _: Accuracy(600, IMAGES), alone=interrupted, path=path)
    assert [row.code for row in read_compared(path)] == [todo[0].code]

    again: list[NetworkSpec] = []

    def alone(network: NetworkSpec) -> Accuracy:
        again.append(network)
        return Accuracy(800, IMAGES)

    new: list[Compared] = []
    rows = compare(todo, inherited=lambda _: Accuracy(650, IMAGES), alone=alone, path=path, on_row=new.append)
    assert again == [todo[1].network]
    assert [(row.inherited, row.alone) for row in rows] == [(0.6, 0.7), (0.65, 0.8)]
    assert new == rows[1:]
    assert read_compared(path) == rows

    text = path.read_text(encoding="utf-8")
    for damaged in (text.replace("600", "sixty"), text.replace("role", "rule"), text[: len(text) - 20]):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(UserError, match=r"networks\.csv cannot be read .*nas trust"):
            read_compared(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "train"}, "unknown trust.images 'train'; .*allowed: test, validation"),
        ({"networks": 0}, "trust.networks is 0; give at least 1"),
        ({"top": 0}, "trust.top is 0; give 1 to 14"),
        ({"top": 15}, "trust.top is 15; give 1 to 14"),
        (
            {"bands": 3},
            "trust.bands is 3; give null to spread the 14 networks, or a number of bands that divides",
        ),
        ({"bands": 0}, "trust.bands is 0; give null"),
        ({"resamples": 0}, "trust.resamples is 0; give at least 1"),
    ],
)
def test_a_plan_that_cannot_be(changes: dict[str, object], message: str) -> None:
    values = {"networks": 14, "images": "validation", "top": 4, "resamples": 100} | changes
    with pytest.raises(UserError, match=message):
        TrustPlan(**values)  # type: ignore[arg-type]
