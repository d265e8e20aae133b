"""Several processes do one search together; whoever of them dies, every evaluation counts once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.search.trials.joint import Joint, proxy
from tests.search.trials.mariadb import mariadb
from tests.search.trials.postgresql import postgresql

Storage = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def journal(folder: Path) -> Iterator[str]:
    folder.mkdir()
    yield str(folder / "journal.log")


@contextmanager
def grpc(folder: Path) -> Iterator[str]:
    with journal(folder) as path, proxy(path) as url:
        yield url


STORAGES = (journal, postgresql, mariadb, grpc)


@pytest.mark.parametrize("storage", STORAGES)
def test_four_workers_that_are_killed_count_every_evaluation_once(tmp_path: Path, storage: Storage) -> None:
    with storage(tmp_path / "storage") as address:
        # Evaluations that take long: on a busy machine, the search must not be over before the last kill.
        joint = Joint(tmp_path, address, workers=4, trials=24, pause_s=0.25)
        joint.run(kills=3, rng=random.Random(0))


@pytest.mark.long
@pytest.mark.parametrize("storage", STORAGES)
def test_eight_workers_count_two_thousand_evaluations_once(tmp_path: Path, storage: Storage) -> None:
    with storage(tmp_path / "storage") as address:
        joint = Joint(tmp_path, address, workers=8, trials=2000, sampler="random", pause_s=0.0)
        joint.run(kills=30, rng=random.Random(1))
