"""What a search keeps of each trial does not grow with the number of trials more than it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search import Goals, Problem, Study, accuracy, macs, make_sampler, search
from nas.search.loop import Loop
from nas.search.trials.journal import Journal
from nas.search.trials.ledger import OUTCOME
from nas.search.trials.mirror import Mirror
from nas.space import SearchSpace
from tests.search.problems import tiny_study

CHOICES = CategoricalDistribution((1, 2, 3))


def trial(value: int, *, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    ended = state is TrialState.COMPLETE
    return create_trial(
        state=state,
        values=[float(value)] if ended else None,
        params={"x": 1 + value % 3},
        distributions={"x": CHOICES},
        user_attrs={OUTCOME: "complete", "code": f"r{value}"} if ended else {},
    )


def test_trials_of_a_journal_share_the_description_of_their_parameters(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    for begun in (0, 4):  # the second time, a journal is read that has trials
        journal = Journal(path, facts={}, directions=["minimize"])
        for value in range(begun, begun + 4):
            journal.finish(None, trial(value))
        trials = journal.read()
        assert [each.params["x"] for each in trials] == [1 + n % 3 for n in range(begun + 4)]
        assert [each.values for each in trials] == [[float(n)] for n in range(begun + 4)]
        assert len({id(each.distributions) for each in trials}) == 1
        assert trials[0].distributions == {"x": CHOICES}
        assert len({id(name) for each in trials for name in each.params}) == 1
        assert len({id(each.user_attrs[OUTCOME]) for each in trials}) == 1
        assert [each.user_attrs["code"] for each in trials] == [f"r{n}" for n in range(begun + 4)]


def test_a_searched_network_is_remembered_as_choices_and_code_only(tmp_path: Path) -> None:
    problem = Problem(SearchSpace.load("tiny_32"), classes=10)
    goals = Goals([accuracy(lambda networks: [float(each.macs) for each in networks]), macs()])
    study = Study(problem=problem, goals=goals, sampler=make_sampler("random"), trials=3, seed=0)
    held = list[set[str]]()
    search(
        study, folder=tmp_path, progress=lambda status: held.append(set(vars(status.evaluation.candidate)))
    )
    assert held == [{"row", "problem", "code"}] * 3


@pytest.mark.parametrize("sampler", ["random", "nsga2"])
def test_no_list_of_all_trials_is_made_for_each_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    """The time of a search would grow with the square of its trials."""
    listed, whole = list[int](), JournalStorage.get_all_trials

    def counted(self: JournalStorage, *args: Any, **settings: Any) -> list[FrozenTrial]:
        trials = whole(self, *args, **settings)
        listed.append(len(trials))
        return trials

    monkeypatch.setattr(JournalStorage, "get_all_trials", counted)
    study = tiny_study(trials=60, sampler=sampler)
    assert len(search(study, folder=tmp_path).evaluations) >= 60
    assert sum(listed) == 0
    search(study, folder=tmp_path)  # a finished search is read once or twice
    assert len(listed) <= 6


def searched(folder: Path, *, trials: int, monkeypatch: pytest.MonkeyPatch) -> Loop:
    """The loop of a finished search."""
    made = list[Loop]()

    def make(*args: Any, **settings: Any) -> Loop:
        made.append(Loop(*args, **settings))
        return made[-1]

    monkeypatch.setattr("nas.search.run.Loop", make)
    search(tiny_study(trials=trials, sampler="nsga2"), folder=folder)
    return made[-1]


@pytest.mark.parametrize("begun", [False, True])
def test_journal_and_mirror_hold_one_copy_of_what_a_trial_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    if begun:
        search(tiny_study(trials=7, sampler="nsga2"), folder=tmp_path)  # its journal is read again
    loop = searched(tmp_path, trials=7, monkeypatch=monkeypatch)
    written, mirrored = loop._ledger.read(), loop._trials.get_trials(deepcopy=False)
    assert len(written) == len(mirrored) >= 7
    for one, other in zip(written, mirrored, strict=True):
        assert one.params is other.params and one.system_attrs is other.system_attrs
        assert one.user_attrs is other.user_attrs and one.distributions is other.distributions


def test_a_mirror_yields_each_trial_as_it_starts_and_ends_and_counts_the_running(tmp_path: Path) -> None:
    mirror = Mirror(["minimize"])
    trials = [trial(0), trial(1, state=TrialState.RUNNING), trial(2), trial(3, state=TrialState.RUNNING)]
    for each, number in zip(trials, range(4), strict=True):
        each.number = number
    assert [each.number for each in mirror.update(trials)] == [0, 1, 2, 3]
    assert mirror.running == 2
    assert list(mirror.update(trials)) == []  # nothing new
    ended = [*trials[:1], trial(1), *trials[2:], trial(4)]
    for each, number in zip(ended, range(5), strict=True):
        each.number = number
    assert [each.number for each in mirror.update(ended)] == [1, 4]
    assert mirror.running == 1
    last = [*ended[:3], trial(3), *ended[4:]]
    last[3].number = 3
    assert [each.number for each in mirror.update(last)] == [3]
    assert mirror.running == 0
    assert len(mirror.study.get_trials(deepcopy=False)) == 5
