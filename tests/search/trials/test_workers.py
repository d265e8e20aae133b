"""Workers of one search: who claims a network, who counts as dead, and whose result counts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.errors import UserError
from nas.processes import _started, identity, is_gone, machine
from nas.search import Shared, search, work
from nas.search.loop import Loop
from nas.search.trials.evaluation import State
from nas.search.trials.journal import only_searcher
from nas.search.trials.ledger import CODE
from nas.search.trials.optuna_storage import open_storage
from nas.search.trials.shared_ledger import BEAT, SharedLedger
from nas.search.trials.workers import Watch
from tests.search.problems import Scorer, tiny_study, two_goals


def alone(folder: Path, storage: str, *, trials: int = 12, scorer: Scorer | None = None) -> list[str]:
    result = search(
        tiny_study(two_goals(scorer), trials=trials),
        folder=folder,
        shared=Shared(storage=storage, study="search", grace_s=0.3),
    )
    return [evaluation.candidate.code for evaluation in result.evaluations]


def test_one_that_joins_later_finds_nothing_left_to_do(tmp_path: Path) -> None:
    storage, scorer = str(tmp_path / "journal.log"), Scorer()
    first = alone(tmp_path, storage)
    assert alone(tmp_path, storage, scorer=scorer) == first
    assert not scorer.asked
    assert alone(tmp_path, storage, trials=15, scorer=scorer)[:12] == first
    assert len(scorer.asked) == 3


def test_networks_rejected_after_the_last_evaluation_are_no_entries(tmp_path: Path) -> None:
    """One process can end while another still rejects a network, and both have the same entries."""
    storage = str(tmp_path / "journal.log")
    study = tiny_study(two_goals(bound_ms=0.6), sampler="random", trials=6, seed=1)
    shared = Shared(storage=storage, study="search")
    first = search(study, folder=tmp_path, shared=shared).evaluations
    slower = Loop(
        study, SharedLedger(shared, facts=study.facts, directions=study.goals.directions), salt=(1,)
    )
    slower.sync()
    before = len(slower.entries)
    while len(slower.entries) == before:
        proposal = slower.propose()
        assert proposal is not None
        slower.evaluate(proposal, {})
    assert slower.entries[-1].outcome.state is State.REJECTED
    assert search(study, folder=tmp_path, shared=shared).evaluations == first
    assert [each.candidate for each in slower.ordered()] == [each.candidate for each in first]
    assert any(each.outcome.state is State.REJECTED for each in first)


def test_helpers_write_no_results(tmp_path: Path) -> None:
    shared = Shared(storage=str(tmp_path / "journal.log"), study="search")
    work(tiny_study(trials=5, control=True), shared=shared)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["control.log", "journal.log"]
    scorer = Scorer()
    alone(tmp_path, shared.storage, trials=5, scorer=scorer)
    assert not scorer.asked


def test_a_search_without_a_control_leaves_the_file_of_one_alone(tmp_path: Path) -> None:
    (tmp_path / "control.log").write_text("notes\n")
    storage = str(tmp_path / "journal.log")
    with pytest.raises(UserError, match=r"control\.log"):
        work(tiny_study(trials=3, control=True), shared=Shared(storage=storage))
    assert not Path(storage).exists(), "both files are checked before anything is written"
    assert len(alone(tmp_path, storage, trials=3)) == 3


def test_processes_share_a_folder_only_in_a_shared_search(tmp_path: Path) -> None:
    storage = str(tmp_path / "journal.log")
    with only_searcher(tmp_path, shared=True):
        assert len(alone(tmp_path, storage, trials=3)) == 3
        with pytest.raises(UserError, match="another search is running"):
            search(tiny_study(trials=3), folder=tmp_path)


def claims(path: Path, *, grace_s: float = 60.0) -> SharedLedger:
    shared = Shared(storage=str(path), study="search", grace_s=grace_s)
    return SharedLedger(shared, facts={}, directions=["minimize"])


def running(code: str) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING,
        params={"x": 1},
        distributions={"x": optuna.distributions.CategoricalDistribution([1])},
        user_attrs={CODE: code, "origin": "sampler"},
    )


def test_the_first_to_claim_a_network_has_it(tmp_path: Path) -> None:
    first, second = claims(tmp_path / "journal.log"), claims(tmp_path / "journal.log")
    assert first.claim(running("a"), budget=5) == 0
    assert second.claim(running("a"), budget=5) is None
    assert second.claim(running("b"), budget=5) == 2


def test_the_last_evaluation_of_the_budget_is_done_once(tmp_path: Path) -> None:
    first, second = claims(tmp_path / "journal.log"), claims(tmp_path / "journal.log")
    assert first.claim(running("a"), budget=1) == 0
    assert second.claim(running("b"), budget=1) is None


def test_a_worker_of_another_machine_that_falls_silent_loses_its_trial_and_its_late_result(
    tmp_path: Path,
) -> None:
    here, there = claims(tmp_path / "journal.log", grace_s=0.05), claims(tmp_path / "journal.log")
    there._identity = "elsewhere/1/1"
    number = there.claim(running("a"), budget=5)
    assert number is not None
    assert here.read()[number].state is TrialState.RUNNING
    time.sleep(0.1)
    assert here.read()[number].state is TrialState.FAIL
    assert here.claim(running("a"), budget=5) is not None
    done = create_trial(value=1.0, user_attrs={"state": "complete"})
    assert there.finish(number, done) is None


def test_beats_keep_a_worker_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that silence is measured by moves between beats alone, however late these come."""
    now = 0.0
    monkeypatch.setattr("nas.search.trials.workers.time", SimpleNamespace(monotonic=lambda: now))
    here = claims(tmp_path / "journal.log", grace_s=60)
    shared = Shared(storage=str(tmp_path / "journal.log"), study="search", beat_s=0.05)
    there = SharedLedger(shared, facts={}, directions=["minimize"])
    there._identity = "elsewhere/1/1"
    number = there.claim(running("a"), budget=5)
    assert number is not None
    with there.working(number):
        for _ in range(4):
            heard, end = here.read()[number].user_attrs[BEAT], time.monotonic() + 60
            while here.read()[number].user_attrs[BEAT] == heard:
                assert time.monotonic() < end, "no beat"
                time.sleep(0.01)
            now += 50
            assert here.read()[number].state is TrialState.RUNNING
    assert here.read()[number].state is TrialState.RUNNING, "the last beat has been heard"
    now += 61
    assert here.read()[number].state is TrialState.FAIL


def test_a_result_that_a_dead_worker_had_written_counts(tmp_path: Path) -> None:
    there = claims(tmp_path / "journal.log")
    there._identity = f"{machine()}/{_dead()}/1"
    number = there.claim(running("a"), budget=5)
    assert number is not None
    storage = open_storage(str(tmp_path / "journal.log"))
    for key, value in {"values": [2.0], "state": "complete"}.items():
        storage.set_trial_user_attr(storage.get_trial_id_from_study_id_trial_number(0, number), key, value)
    found = claims(tmp_path / "journal.log").read()[number]
    assert (found.state, found.value) == (TrialState.COMPLETE, 2.0)


def _dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_processes_of_this_machine_are_known_to_be_dead_or_alive() -> None:
    assert not is_gone(identity())
    assert is_gone(f"{machine()}/{_dead()}/1")
    assert is_gone(f"{machine()}/{os.getpid()}/1"), "another process had this number before"
    assert not is_gone(f"elsewhere/{_dead()}/1")


def test_a_process_that_has_ended_but_not_been_waited_for_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        worker = f"{machine()}/{process.pid}/{_started(process.pid)}"
        assert not is_gone(worker)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(worker)


def test_only_a_silence_that_lasts_is_one() -> None:
    watch = Watch(grace_s=0.02)
    assert not watch.is_silent(0, 1)
    time.sleep(0.03)
    assert watch.is_silent(0, 1)
    assert not watch.is_silent(0, 2)
    patient = Watch(grace_s=60)
    assert not patient.is_silent(0, 1)
    assert not patient.is_silent(0, 1), "the silence is shorter than the grace"
