"""Devices that misbehave: clocks, outliers, models that crash. The clock of these tests is not a real one."""

import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.runner.errors import RunnerError
from nas.runner.protocol import undisturbed
from nas.runner.samples import crashed_at, opening
from tests.processes import ROOT, start
from tests.runner.test_protocol import Bench, FakeModel

TICK = 0.0156


class Ticking(FakeModel):
    """Reads a clock that moves in steps."""

    def time(self, runs):
        before = self.clock.now
        super().time(runs)
        return (math.floor(self.clock.now / TICK) - math.floor(before / TICK)) * TICK


def measured(bench, name):
    return 1e-6 * undisturbed(us for w in bench.saved if w.entry == name for us in w.samples_us)


@pytest.mark.parametrize("seconds", [1.3e-6, 1e-4, 7e-3, 0.0221, 1.3])
@pytest.mark.parametrize("in_turns", [True, False])
def test_a_clock_that_moves_in_steps(seconds, in_turns):
    names = ["a", "b", "c"]
    bench = Bench(dict.fromkeys(names, seconds), turns=3, budget_s=1e4)
    bench.open = lambda name: Ticking(bench.clock, bench.costs[name], lambda: 1.0)
    bench.run(in_turns=names if in_turns else ())
    for name in names:
        assert measured(bench, name) == pytest.approx(seconds, rel=0.03)
        assert bench.rounds(name)[:3] == [0, 1, 2]
    notes = [said.note for said in bench.told if said.note]
    assert len(notes) == (in_turns and seconds < 50 * TICK)


class SetBack(FakeModel):
    """Its clock is set back by an hour at some readings."""

    def __init__(self, clock, seconds, *, at):
        super().__init__(clock, seconds, lambda: 1.0)
        self.at, self.readings = at, 0

    def time(self, runs):
        self.readings += 1
        return super().time(runs) - (3600 if self.at(self.readings) else 0)


@pytest.mark.parametrize("reading", range(1, 20))
def test_a_clock_that_is_set_back_once(reading):
    bench = Bench({"a": 1e-4})
    bench.open = lambda name: SetBack(bench.clock, 1e-4, at=lambda number: number == reading)
    bench.run()
    assert all(us > 0 for window in bench.saved for us in window.samples_us)
    assert measured(bench, "a") == pytest.approx(1e-4)


@pytest.mark.parametrize("clock", [lambda took: -took, lambda took: 0.0])
def test_a_clock_that_does_not_go_on_is_an_error(clock):
    bench = Bench({"a": 1e-4})

    class Odd(FakeModel):
        def time(self, runs):
            return clock(super().time(runs))

    bench.open = lambda name: Odd(bench.clock, 1e-4, lambda: 1.0)
    with pytest.raises(RunnerError, match="clock"):
        bench.run()
    assert bench.saved == []


class LibraryError(Exception):
    """As libraries raise them, which share no base."""


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out\nof memory"), LibraryError("bad op")]
)
@pytest.mark.parametrize("where", ["open", "time"])
def test_a_model_that_fails_is_named_and_the_samples_are_kept(error, where):
    bench = Bench({f"entry{i}": 1e-4 for i in range(9)}, budget_s=1e4)
    sound = bench.open

    class Failing(FakeModel):
        def time(self, runs):
            raise error

    def open_model(name):
        if name != "entry3":
            return sound(name)
        if where == "open":
            raise error
        return Failing(bench.clock, 1e-4, lambda: 1.0)

    bench.open = open_model
    with pytest.raises(RunnerError, match=r"^entry3 cannot be run here \(.+\); free memory .* are kept$"):
        bench.run()
    assert bench.saved
    assert all(model.closed for model in bench.models.values())
    bench.open = sound
    done = list(bench.saved)
    bench.saved.clear()
    bench.run(done)
    assert {(w.entry, w.round) for w in done}.isdisjoint((w.entry, w.round) for w in bench.saved)


def test_a_mistake_in_a_runtime_is_no_user_error():
    bench = Bench({"a": 1e-4})
    bench.open = lambda name: {}["missing"]
    with pytest.raises(KeyError):
        bench.run()


@given(st.sets(st.integers(0, 99), max_size=80), st.floats(2, 100))
def test_outliers_do_not_change_a_latency(outliers, factor):
    readings = iter(range(10**9))
    bench = Bench(
        {"a": 1e-4}, slowdown=lambda: factor if next(readings) % 100 in outliers else 1.0, samples=50
    )
    bench.run(references=())
    assert measured(bench, "a") == pytest.approx(1e-4, rel=1e-6)


def test_a_device_that_is_throttled_half_of_the_time():
    bench = Bench({f"entry{i}": 1e-4 * (i + 1) for i in range(10)}, budget_s=1e4, relative_precision=1e-9)
    bench.slowdown = lambda: 2.3 if int(bench.clock.now / 0.7) % 2 else 1.0
    bench.run()
    for i in range(10):
        assert measured(bench, f"entry{i}") == pytest.approx(1e-4 * (i + 1), rel=0.01)


CRASHES = """
import os, signal
from pathlib import Path
from nas.runner.samples import opening
with opening(Path("samples.jsonl"), "entry3"):
    pass
with opening(Path("samples.jsonl"), "entry7"):
    os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_the_model_that_crashes_a_process_is_known(tmp_path):
    ended = start("-c", CRASHES, folder=tmp_path, path=[str(ROOT)]).wait()
    assert ended.returncode == -signal.SIGSEGV
    assert crashed_at(tmp_path / "samples.jsonl") == "entry7"
    with opening(tmp_path / "samples.jsonl", "entry8"):
        pass
    assert crashed_at(tmp_path / "samples.jsonl") == ""
