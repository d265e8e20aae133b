"""A search that an earlier version began goes on with this one."""

from __future__ import annotations

import shutil
from pathlib import Path

from nas.search import Problem, Study, macs, make_sampler, search
from nas.search.goals.goals import Goals
from nas.space import SearchSpace
from tests.search.problems import CLASSES, Scorer, objectives

JOURNAL = Path(__file__).with_name("earlier_journal.log")
"""Four trials of the study below, written by the version before ``Goals`` and ``Study``."""

SPACE = """\
name: small
resolution: [16, 24]
stem: [{kind: conv, width: 8, stride: 2}]
stages: [{kind: inverted_residual, depth: [1, 2], width: 8, each_block: {kernel: [3, 5]}}]
head: [{kind: pool}]
"""


def test_its_journal_is_continued_as_that_version_would_have(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SPACE)
    shutil.copy(JOURNAL, tmp_path / "journal.log")
    scorer = Scorer()
    study = Study(
        problem=Problem(SearchSpace.load(tmp_path / "small.yaml"), CLASSES),
        goals=Goals(objectives(scorer, bound_ms=0.6), [macs(bound=400_000)]),
        sampler=make_sampler("nsga2", {"population": 4}),
        trials=8,
        seed=0,
        context={"weights": "a"},
    )
    assert study.name == "small-02a07adca889", "the name in a database is that of the earlier version"
    result = search(study, folder=tmp_path)
    codes = [each.candidate.code for each in result.evaluations]
    assert codes[:5] == ["r16-d1:k3+", "r24-d2:k5+5", "r16-d1:k5+", "r24-d1:k3+", "r16-d2:k3+5"]
    assert codes[5:] == ["r24-d1:k5+", "r16-d2:k5+5", "r16-d2:k5+3", "r16-d2:k3+3"]
    assert scorer.asked == [each.candidate.network for each in result.evaluations[5:]]
