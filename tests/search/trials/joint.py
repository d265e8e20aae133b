"""Joint searches: several processes share a search, some are killed, and each evaluation counts once."""

from __future__ import annotations

import csv
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.search.trials.ledger import CODE
from nas.search.trials.optuna_storage import is_address, open_storage
from tests.processes import ROOT, Started, free_port, start
from tests.search.trials.servers import wait_until_ready

NAME = "joint"

SCRIPT = f"""
import sys, time
from pathlib import Path
from nas.search import Shared, search
from tests.search.problems import Scorer, tiny_study, two_goals

folder, storage, worker = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sampler, trials, pause_s = sys.argv[4], int(sys.argv[5]), float(sys.argv[6])

class Slow(Scorer):
    def __call__(self, networks):
        with (folder / "evaluated").open("a") as stream:
            stream.writelines(str(network.to_dict()) + chr(10) for network in networks)
        time.sleep(pause_s)
        return super().__call__(networks)

study = tiny_study(two_goals(Slow(), bound_ms=0.6), sampler=sampler, trials=trials, seed=1)
search(study, folder=folder, shared=Shared(storage=storage, study="{NAME}", worker=worker))
"""

PROXY = """
import sys, warnings
from optuna.storages import run_grpc_proxy_server
from nas.search.trials.optuna_storage import open_storage

warnings.simplefilter("ignore")
run_grpc_proxy_server(open_storage(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]))
"""


@dataclass(frozen=True)
class Joint:
    """A search by several processes.

    Attributes:
        folder: Holds a folder for each worker.
        storage: The storage that they share.
        workers: Their number.
        trials: Evaluations of all together.
        sampler: The sampler.
        pause_s: Seconds that an evaluation takes.
    """

    folder: Path
    storage: str
    workers: int
    trials: int
    sampler: str = "nsga2"
    pause_s: float = 0.05

    def start(self, worker: int) -> Started:
        """Starts a worker, which ends when the budget is spent."""
        folder = self.folder / str(worker)
        folder.mkdir(parents=True, exist_ok=True)
        arguments = map(str, (folder, self.storage, worker, self.sampler, self.trials, self.pause_s))
        return start("-c", SCRIPT, *arguments, folder=ROOT, environment={"OMP_NUM_THREADS": "1"})

    def run(self, *, kills: int, rng: random.Random) -> None:
        """Runs the search; at random moments, a random worker is killed and started again."""
        watched = open_storage(self.storage)
        running = [self.start(worker) for worker in range(self.workers)]
        try:
            for share in sorted(rng.uniform(0.05, 0.7) for _ in range(kills)):
                wait_for(lambda share=share: len(self.ended(watched)) >= share * self.trials)
                victim = rng.randrange(self.workers)
                assert running[victim].kill(after_s=0), "the search was over before its workers were killed"
                running[victim] = self.start(victim)
        except BaseException:
            for each in running:
                each.kill(after_s=0)
            raise
        for ended in [each.wait() for each in running]:
            assert ended.returncode == 0, ended.stderr
        self.check(watched, kills=kills)

    def check(self, storage: BaseStorage, *, kills: int) -> None:
        """Each evaluation counts once, for all workers alike, and only those of the killed are repeated."""
        tables = [trials_of(self.folder / str(worker)) for worker in range(self.workers)]
        assert all(table == tables[0] for table in tables)
        counted = [row for row in tables[0] if row["state"] != "rejected"]
        assert len(counted) == self.trials
        assert len({row["code"] for row in tables[0]}) == len(tables[0])
        ended = self.ended(storage)
        evaluated = [trial for trial in ended if trial.user_attrs["state"] != "rejected"]
        assert sorted(trial.user_attrs[CODE] for trial in evaluated) == sorted(row["code"] for row in counted)
        assert len({trial.user_attrs["worker"] for trial in evaluated}) > 1
        assert not [trial for trial in self._trials(storage) if trial.state is TrialState.RUNNING]
        repeated = Counter(line for path in self.folder.glob("*/evaluated") for line in whole_lines(path))
        assert self.trials <= repeated.total() <= self.trials + kills
        assert len(repeated) == self.trials

    def ended(self, storage: BaseStorage) -> list[FrozenTrial]:
        """The trials with an outcome."""
        return [trial for trial in self._trials(storage) if "state" in trial.user_attrs]

    def _trials(self, storage: BaseStorage) -> list[FrozenTrial]:
        """All trials; none if the study is not there yet."""
        name = NAME if is_address(self.storage) else "search"
        for study in storage.get_all_studies():
            if study.study_name == name:
                return storage.get_all_trials(study._study_id, deepcopy=False)
        return []


def trials_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


def whole_lines(path: Path) -> list[str]:
    """The complete lines of a file whose writer was killed."""
    *lines, _ = path.read_text().split("\n")
    return lines


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3600
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def proxy(storage: str) -> Iterator[str]:
    """Starts a gRPC proxy in front of a storage and gives its URL."""
    pytest.importorskip("grpc", reason="a gRPC proxy needs grpcio: pip install 'hwnas[grpc]'")
    port = free_port()
    server = start("-c", PROXY, storage, str(port), folder=ROOT)
    try:
        wait_until_ready(
            lambda: socket.create_connection(("127.0.0.1", port), timeout=2),
            refusal=OSError,
            is_running=lambda: server.runs_for(0),
        )
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.kill(after_s=0)
