"""The hint where other processes slow down a training on the CPU."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console

from nas.cli import bars, screen
from nas.cli.shared_cpus import SharedCpus, threads_wait_in_loops
from nas.training.loop import Progress


@pytest.fixture(autouse=True)
def _no_hint_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedCpus, "is_given", False)


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(clock: Clock, cpus: float | None, *, is_affected: bool = True) -> SharedCpus:
    return SharedCpus(others=lambda: cpus, is_affected=lambda: is_affected, clock=clock)


def test_a_training_beside_a_busy_program_gets_a_hint_once() -> None:
    clock = Clock()
    watch = watched(clock, 0.9)
    assert not watch.hint(), "half a minute decides"
    clock.now = 31
    assert "keep 0.9 CPUs busy" in (hint := watch.hint()) and "OMP_WAIT_POLICY=PASSIVE" in hint
    clock.now = 100
    assert not watch.hint()
    later = watched(clock, 0.9)
    clock.now = 200
    assert not later.hint(), "nor for the next network"


@pytest.mark.parametrize(("cpus", "is_affected"), [(0.2, True), (None, True), (2.0, False)])
def test_others_get_none(cpus: float | None, is_affected: bool) -> None:
    clock = Clock()
    watch = watched(clock, cpus, is_affected=is_affected)
    for clock.now in (31, 62, 93):
        assert not watch.hint()


def test_a_program_that_starts_later_is_noticed() -> None:
    clock, cpus = Clock(), 0.0
    watch = SharedCpus(others=lambda: cpus, is_affected=lambda: True, clock=clock)
    clock.now = 31
    assert not watch.hint()
    cpus, clock.now = 1.0, 62
    assert watch.hint()


def test_threads_wait_in_loops_unless_the_user_has_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert threads_wait_in_loops()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert not threads_wait_in_loops()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert not threads_wait_in_loops()


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
