"""Several processes do one search together; whoever of them dies, every evaluation counts once."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.errors import UserError
from nas.processes import _started, identity, is_gone, machine
from nas.search import Shared, search, work
from nas.search.trials.journal import only_searcher
from nas.search.trials.ledger import CODE
from nas.search.trials.optuna_storage import open_storage
from nas.search.trials.shared_ledger import SharedLedger
from nas.search.trials.workers import Watch
from tests.search.problems import Scorer, tiny_study, two_goals
from tests.search.trials.postgresql import postgresql

ROOT = Path(__file__).resolve().parents[3]
TRIALS, WORKERS = 24, 4

SCRIPT = f"""
import sys, time
from pathlib import Path
from nas.search import Shared, search
from tests.search.problems import Scorer, tiny_study, two_goals

folder, storage, worker, pause_s = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])

class Slow(Scorer):
    def __call__(self, networks):
        time.sleep(pause_s)
        return super().__call__(networks)

study = tiny_study(two_goals(Slow(), bound_ms=0.6), sampler="nsga2", trials={TRIALS}, seed=1)
search(study, folder=folder, shared=Shared(storage=storage, study="joint", worker=worker))
"""


def start(folder: Path, storage: str, worker: int, *, pause_s: float = 0.05) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    arguments = [str(folder), storage, str(worker), str(pause_s)]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], env=environment, cwd=ROOT)


def finished(storage: BaseStorage, name: str) -> list[FrozenTrial]:
    """The trials with an outcome; none if the study is not there yet."""
    for study in storage.get_all_studies():
        if study.study_name == name:
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
            return [trial for trial in trials if "state" in trial.user_attrs]
    return []


def trials_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


def kill_and_restart(folder: Path, storage: str, name: str) -> None:
    """Four workers; one of them is killed at random, three times, and started again; then all end."""
    rng, watched = random.Random(0), open_storage(storage)
    running = [start(folder / str(worker), storage, worker) for worker in range(WORKERS)]
    lost = 0
    for share in (0.1, 0.35, 0.6):
        wait_for(lambda share=share: len(finished(watched, name)) >= share * TRIALS)
        victim = rng.randrange(WORKERS)
        lost += running[victim].poll() is None
        running[victim].send_signal(signal.SIGKILL)
        running[victim].wait()
        running[victim] = start(folder / str(victim), storage, victim)
    assert lost == 3, "the search was over before its workers were killed"
    assert [process.wait(timeout=300) for process in running] == [0] * WORKERS
    check_that_all_is_counted_once(folder, finished(watched, name))
    assert not watched.get_all_trials(1 if "://" in storage else 0, states=(TrialState.RUNNING,))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def check_that_all_is_counted_once(folder: Path, trials: list[FrozenTrial]) -> None:
    tables = [trials_of(folder / str(worker)) for worker in range(WORKERS)]
    assert all(table == tables[0] for table in tables)
    counted = [row for row in tables[0] if row["state"] != "rejected"]
    assert len(counted) == TRIALS
    assert len({row["code"] for row in tables[0]}) == len(tables[0])
    evaluated = [trial for trial in trials if trial.user_attrs["state"] != "rejected"]
    assert sorted(trial.user_attrs[CODE] for trial in evaluated) == sorted(row["code"] for row in counted)
    assert len({trial.user_attrs["worker"] for trial in evaluated}) > 1


def test_four_workers_on_one_journal_that_are_killed_count_every_evaluation_once(tmp_path: Path) -> None:
    kill_and_restart(tmp_path, str(tmp_path / "journal.log"), "search")


def test_four_workers_on_postgresql_that_are_killed_count_every_evaluation_once(tmp_path: Path) -> None:
    with postgresql(tmp_path / "database") as storage:
        kill_and_restart(tmp_path, storage, "joint")


@contextmanager
def proxy(storage: str) -> Iterator[str]:
    pytest.importorskip("grpc", reason="a gRPC proxy needs grpcio: pip install 'hwnas[grpc]'")
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import sys; from optuna.storages import run_grpc_proxy_server; "
        "from nas.search.trials.optuna_storage import open_storage; "
        "run_grpc_proxy_server(open_storage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
    )
    server = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, storage, str(port)], cwd=ROOT)
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_two_workers_behind_a_grpc_proxy_share_a_search(tmp_path: Path) -> None:
    with proxy(str(tmp_path / "journal.log")) as storage:
        running = [start(tmp_path / str(worker), storage, worker, pause_s=0.02) for worker in range(2)]
        assert [process.wait(timeout=120) for process in running] == [0, 0]
    tables = [trials_of(tmp_path / str(worker)) for worker in range(2)]
    assert tables[0] == tables[1]
    assert sum(row["state"] != "rejected" for row in tables[0]) == TRIALS


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


def test_beats_keep_a_worker_alive(tmp_path: Path) -> None:
    here = claims(tmp_path / "journal.log", grace_s=0.3)
    shared = Shared(storage=str(tmp_path / "journal.log"), study="search", beat_s=0.05)
    there = SharedLedger(shared, facts={}, directions=["minimize"])
    there._identity = "elsewhere/1/1"
    number = there.claim(running("a"), budget=5)
    assert number is not None
    with there.working(number):
        for _ in range(8):
            assert here.read()[number].state is TrialState.RUNNING
            time.sleep(0.1)


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
