"""The hint where other processes slow down a training on the CPU."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console

from nas.cli import bars, screen
from nas.cli.shared_cpus import SharedCpus, waiting_threads
from nas.training.loop import Progress


@pytest.fixture(autouse=True)
def _no_hint_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedCpus, "is_given", False)


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(clock: Clock, cpus: float | None, *, threads: int = 8) -> SharedCpus:
    return SharedCpus(others=lambda: cpus, threads=lambda: threads, clock=clock)


def test_a_training_beside_a_busy_program_gets_a_hint_once() -> None:
    clock = Clock()
    watch = watched(clock, 0.9)
    assert not watch.hint(), "half a minute decides"
    clock.now = 31
    assert "keep 0.9 CPUs busy, so that PyTorch's 8 threads wait" in (hint := watch.hint())
    assert "OMP_NUM_THREADS=7 in front" in hint
    clock.now = 100
    assert not watch.hint()
    later = watched(clock, 0.9)
    clock.now = 200
    assert not later.hint(), "nor for the next network"


@pytest.mark.parametrize(
    ("cpus", "threads", "left"), [(0.6, 8, 7), (1.4, 8, 7), (1.6, 8, 6), (9.0, 8, 1), (1.0, 2, 1)]
)
def test_as_many_threads_as_others_leave_cpus(cpus: float, threads: int, left: int) -> None:
    clock = Clock()
    watch = watched(clock, cpus, threads=threads)
    clock.now = 31
    assert f"OMP_NUM_THREADS={left} in front" in watch.hint()


@pytest.mark.parametrize(("cpus", "threads"), [(0.2, 8), (None, 8), (2.0, 1)])
def test_others_get_none(cpus: float | None, threads: int) -> None:
    clock = Clock()
    watch = watched(clock, cpus, threads=threads)
    for clock.now in (31, 62, 93):
        assert not watch.hint()


def test_a_program_that_starts_later_is_noticed() -> None:
    clock, cpus = Clock(), 0.0
    watch = SharedCpus(others=lambda: cpus, threads=lambda: 2, clock=clock)
    clock.now = 31
    assert not watch.hint()
    cpus, clock.now = 1.0, 62
    assert watch.hint()


def test_threads_wait_in_loops_unless_the_user_has_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert waiting_threads() == 2
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert waiting_threads() == 1


def test_the_bar_of_a_training_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=200)
    for module in (bars, screen):
        monkeypatch.setattr(module, "CONSOLE", console)
    clock = Clock()
    with bars.progress_bar("training", total=3) as bar:
        bar._cpus = watched(clock, 1.5)
        for step in (1, 2, 3):
            clock.now += 20
            bar.follow(Progress(step=step, steps=3, images_per_s=10.0))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("other processes keep 1.5 CPUs busy") == 1
