"""The timing protocol on a fake clock: no time passes, so every figure is exact."""

import random
from itertools import pairwise

import pytest

from nas.runner.errors import RunnerError
from nas.runner.protocol import (
    Model,
    Progress,
    Protocol,
    half_width,
    is_enough,
    quieter_half,
    student_t,
)
from nas.runner.session import Session


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeModel(Model):
    """Takes ``seconds`` a run, times whatever ``slowdown`` says."""

    def __init__(self, clock, seconds, slowdown):
        self.clock, self.seconds, self.slowdown, self.closed = clock, seconds, slowdown, False

    def time(self, runs):
        took = runs * self.seconds * self.slowdown()
        self.clock.now += took
        return took

    def close(self):
        self.closed = True


class Bench:
    """A session with fake models."""

    def __init__(self, costs, *, slowdown=lambda: 1.0, **fields):
        self.clock, self.saved, self.models, self.told, self.slept = FakeClock(), [], {}, [], []
        self.costs, self.slowdown = costs, slowdown
        self.protocol = Protocol(**{"min_rounds": 3, "max_rounds": 20, **fields})

    def open(self, name):
        self.models[name] = FakeModel(self.clock, self.costs[name], self.slowdown)
        return self.models[name]

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.now += seconds

    def run(
        self,
        windows=(),
        *,
        references=("ref",),
        in_turns=(),
        open_at_once=4000,
        has_room=lambda: True,
        leave_open=False,
        save=None,
        usage=None,
        others=lambda: None,
    ):
        if references:
            self.costs.setdefault("ref", 1e-4)
        Session(
            [name for name in self.costs if name not in references],
            references=references,
            in_turns=in_turns,
            open_model=self.open,
            save=save or self.saved.append,
            protocol=self.protocol,
            clock=self.clock,
            wall=self.clock,
            sleep=self.sleep,
            others=others,
            usage=usage,
            open_at_once=open_at_once,
            has_room=has_room,
            leave_open=leave_open,
            windows=windows,
            progress=self.told.append,
        ).run()
        return self

    def rounds(self, name):
        return [window.round for window in self.saved if window.entry == name]


COSTS = {"fast": 2e-6, "slow": 3e-3, "middle": 2e-4}


def test_a_window_lasts_ten_milliseconds_and_has_at_least_ten_samples():
    bench = Bench(dict(COSTS)).run()
    for window in bench.saved:
        cost = bench.costs[window.entry]
        sample_s = window.runs * cost
        assert sample_s >= 0.2e-3 * 0.999
        assert window.runs == 1 or (window.runs - 1) * cost < 0.22e-3
        assert abs(len(window.samples_us) - max(10, 10e-3 / sample_s)) <= 1
        assert window.quiet_us == pytest.approx(cost * 1e6)


def test_a_quiet_entry_stops_after_the_least_number_of_rounds():
    bench = Bench(dict(COSTS), min_rounds=4).run()
    assert all(bench.rounds(name) == [0, 1, 2, 3] for name in COSTS)


def test_rounds_are_spread_over_time_and_waiting_is_a_part_of_the_budget():
    bench = Bench({"a": 1e-4, "b": 1e-4}, min_rounds=5, spread_s=10.0, budget_s=60.0).run()
    starts = [window.start_s for window in bench.saved if window.entry == "a"]
    assert len(starts) == 5
    assert all(later - first == pytest.approx(2.0, abs=0.1) for first, later in pairwise(starts))
    assert sum(bench.slept) == pytest.approx(8.0, rel=0.1), "nothing waits for the first round"
    short = Bench({"a": 1e-4, "b": 1e-4}, min_rounds=5, spread_s=10.0, budget_s=3.0).run()
    assert short.clock.now == pytest.approx(3.0, rel=0.1)
    assert short.rounds("a") == [0, 1]


def test_a_measurement_that_goes_on_does_not_wait_for_the_rounds_that_it_has():
    bench = Bench({"a": 1e-4, "b": 1e-4}, min_rounds=5, spread_s=10.0, budget_s=60.0).run()
    before = [window for window in bench.saved if window.round < 4]
    again = Bench({"a": 1e-4, "b": 1e-4}, min_rounds=5, spread_s=10.0, budget_s=60.0).run(before)
    assert again.rounds("a") == [4]
    assert again.slept == []


def test_a_window_says_what_other_programs_used_if_that_is_known():
    readings = iter([None, 0.5])
    bench = Bench({"a": 1e-4}, min_rounds=2, max_rounds=2).run(references=(), others=lambda: next(readings))
    assert [window.others_cpus for window in bench.saved] == [None, 0.5]


def test_a_disturbed_entry_gets_more_rounds_and_the_others_do_not():
    noise = random.Random(0)
    bench = Bench({"a": 1e-4, "noisy": 1e-4}, max_rounds=9)

    def open_model(name):
        model = FakeModel(bench.clock, 1e-4, lambda: 1 + 0.2 * noise.random() if name == "noisy" else 1.0)
        bench.models[name] = model
        return model

    bench.open = open_model
    bench.protocol = Protocol(min_rounds=3, max_rounds=9, samples=1)
    bench.run()
    assert bench.rounds("a") == [0, 1, 2]
    assert len(bench.rounds("noisy")) > 3


def test_every_round_has_its_own_order():
    names = {f"entry{i}": 1e-4 for i in range(20)}
    bench = Bench(names).run()
    orders = {tuple(w.entry for w in bench.saved if w.round == r and w.entry != "ref") for r in range(3)}
    assert len(orders) == 3
    assert all(sorted(order) == sorted(set(names) - {"ref"}) for order in orders)


def test_references_are_timed_before_between_and_after():
    bench = Bench({f"entry{i}": 1e-3 for i in range(40)}, reference_every_s=0.1).run()
    times = [window.start_s for window in bench.saved if window.entry == "ref"]
    assert times[0] == 0
    assert bench.saved[-1].entry == "ref"
    assert max(b - a for a, b in pairwise(times)) < 0.15
    assert bench.rounds("ref") == list(range(len(times)))


def test_the_budget_ends_the_measuring_but_every_entry_is_measured_once():
    generous = Bench({f"entry{i}": 1e-3 for i in range(30)}, budget_s=1.0).run()
    assert 1.0 <= generous.clock.now < 1.1
    mean = Bench({f"entry{i}": 1e-3 for i in range(30)}, budget_s=1e-9).run()
    assert all(mean.rounds(f"entry{i}") == [0] for i in range(30))


def test_a_budget_too_short_for_all_rounds_is_reported_with_one_that_suffices():
    costs = {f"entry{i}": 1e-3 for i in range(300)}
    short = Bench(costs, min_rounds=5, budget_s=12.0).run()
    (note,) = [state.note for state in short.told if state.note]
    assert "the budget ended after 3." in note and "of 5 rounds" in note
    minutes = int(note.split("a budget of ")[1].split("m ")[0])
    enough = Bench(costs, min_rounds=5, budget_s=60.0 * minutes).run()
    assert not any(state.note for state in enough.told)
    assert all(len(enough.rounds(name)) >= 5 for name in costs)


def test_what_was_measured_is_not_measured_again():
    whole = Bench(dict(COSTS)).run()

    class KilledError(Exception):
        pass

    killed = Bench(dict(COSTS))

    def save(window):
        if len(killed.saved) == 5:
            raise KilledError
        killed.saved.append(window)

    with pytest.raises(KilledError):
        killed.run(save=save)
    assert all(model.closed for model in killed.models.values())
    rest = Bench(dict(COSTS)).run(killed.saved)
    together = [(w.entry, w.round) for w in [*killed.saved, *rest.saved] if w.entry != "ref"]
    assert sorted(together) == sorted((w.entry, w.round) for w in whole.saved if w.entry != "ref")
    assert Bench(dict(COSTS)).run(whole.saved).saved == []


def test_no_more_models_are_open_than_allowed():
    bench = Bench({f"entry{i}": 1e-4 for i in range(6)})
    opened = []
    plain = bench.open

    def open_model(name):
        opened.append(plain(name))
        assert sum(not model.closed for model in opened) <= 2
        return opened[-1]

    bench.open = open_model
    bench.run(open_at_once=2)
    assert all(model.closed for model in opened)


def test_a_model_that_is_in_use_is_not_closed_for_another():
    bench = Bench(dict.fromkeys([f"probe{i}" for i in range(9)], 1e-4), turns=3)
    used = []

    class Watched(FakeModel):
        def time(self, runs):
            assert not self.closed
            used.append(self)
            return super().time(runs)

    bench.open = lambda name: Watched(bench.clock, 1e-4, lambda: 1.0)
    bench.run(in_turns=[f"probe{i}" for i in range(9)], open_at_once=3)
    assert used


@pytest.mark.parametrize("in_turns", [(), tuple(f"probe{i}" for i in range(9))])
def test_without_room_a_model_is_closed_for_each_new_one(in_turns):
    bench = Bench(dict.fromkeys([f"probe{i}" for i in range(9)], 1e-4), turns=3)
    most, models = [], []

    def open_model(name):
        models.append(FakeModel(bench.clock, 1e-4, lambda: 1.0))
        most.append(sum(not model.closed for model in models))
        return models[-1]

    bench.open = open_model
    bench.run(in_turns=in_turns, has_room=lambda: len(models) < 5)
    assert len(models) > 10 and max(most) == 5
    assert all(model.closed for model in models)


def test_models_are_left_open_for_a_process_that_ends():
    bench = Bench(dict(COSTS)).run(leave_open=True)
    assert bench.models and not any(model.closed for model in bench.models.values())
    bench = Bench(dict(COSTS)).run()
    assert all(model.closed for model in bench.models.values())


def test_opening_models_counts_towards_the_budget():
    bench = Bench({f"entry{i}": 1e-4 for i in range(10)}, budget_s=5.0)

    def open_model(name):
        bench.clock.now += 1.0
        return FakeModel(bench.clock, 1e-4, lambda: 1.0)

    bench.open = open_model
    bench.run()
    assert all(bench.rounds(f"entry{i}") == [0] for i in range(10)), "one round, as the budget is spent"


def test_what_is_left_of_the_budget_goes_where_usage_and_noise_are_large():
    noise = random.Random(0)
    names = [f"{kind}{i}" for kind in ("rare", "often", "quiet") for i in range(40)]
    never = {"relative_precision": 1e-9, "absolute_precision_us": 1e-9}
    bench = Bench(dict.fromkeys(names, 1e-4), max_rounds=50, samples=1, window_ms=0, budget_s=0.35, **never)

    def open_model(name):
        quiet = name.startswith("quiet") or name == "ref"
        return FakeModel(bench.clock, 1e-4, lambda: 1.0 if quiet else 1 + 0.04 * noise.random())

    bench.open = open_model
    bench.run(usage={name: 2.0 if name.startswith("often") else 0.1 for name in names})
    windows = {
        kind: sum(w.entry.startswith(kind) for w in bench.saved) for kind in ("rare", "often", "quiet")
    }
    assert windows["quiet"] == 3 * 40
    assert windows["often"] > 1.4 * windows["rare"]


def test_progress_counts_up_to_the_total():
    told = Bench(dict(COSTS)).run().told
    assert told[-1] == Progress(9, 9, 0.0)
    assert all(p.seconds_left >= 0 for p in told)


def test_the_quieter_half_of_a_number_of_values():
    assert quieter_half([1.01, 1.0, 1.5, 1.02]) == [1.0, 1.01]
    assert quieter_half([1.5, 1.0, 1.01]) == [1.0, 1.01]
    assert quieter_half([2.0]) == [2.0]
    assert quieter_half([]) == []


def test_confidence_intervals_follow_students_t():
    assert student_t(1) == 12.706
    assert student_t(9) == pytest.approx(2.262, rel=0.01)
    assert student_t(30) == pytest.approx(2.042, rel=0.01)
    assert half_width([1.0]) == float("inf")
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.303 / 3**0.5)


def test_enough_needs_windows_that_agree():
    protocol = Protocol(min_rounds=5, max_rounds=7)
    assert not is_enough([100.0] * 4, protocol)
    assert is_enough([100.0, 100.1, 100.2, 100.1, 100.2], protocol)
    assert not is_enough([100.0, 130.0, 150.0, 100.2, 160.0], protocol)
    assert is_enough([100.0, 130.0, 150.0, 100.2, 100.1], protocol), "two are disturbed"
    assert is_enough([100.0, 130.0, 160.0, 190.0, 250.0, 300.0, 310.0], protocol)


class Cache:
    """A model is twice as fast when it runs again at once."""

    def __init__(self, clock):
        self.clock, self.holds, self.ran = clock, None, []

    def open(self, name):
        cache = self

        class Cached(Model):
            def time(self, runs):
                took = sum(1e-4 / (1 + (i > 0 or cache.holds == name)) for i in range(runs))
                cache.holds = name
                cache.ran.append(name)
                cache.clock.now += took
                return took

        return Cached()


def test_entries_in_turns_find_the_cache_as_others_have_left_it():
    names = [f"probe{i}" for i in range(10)]
    bench = Bench(dict.fromkeys([*names, "network"], 1e-4), turns=4)
    bench.open = Cache(bench.clock).open
    bench.run(in_turns=names)
    assert {round(w.quiet_us) for w in bench.saved if w.entry in names} == {100}
    assert {round(w.quiet_us, -1) for w in bench.saved if w.entry == "network"} == {50}
    assert all(len(w.samples_us) == 10 and w.runs == 1 for w in bench.saved if w.entry in names)
    for name in names:
        assert bench.rounds(name) == list(range(len(bench.rounds(name)))) and len(bench.rounds(name)) >= 3
    assert all(len(bench.rounds(name)) <= 4 for name in names), "only the last, incomplete company is filled"


def test_few_entries_keep_each_other_company_and_a_single_model_is_run_alone():
    bench = Bench(dict.fromkeys(["probe0", "probe1"], 1e-4), turns=20).run(in_turns=["probe0", "probe1"])
    assert {w.runs for w in bench.saved if w.entry != "ref"} == {1}
    alone = Bench(dict.fromkeys(["probe0", "probe1"], 1e-4), turns=20)
    alone.run(in_turns=["probe0", "probe1"], open_at_once=1)
    assert {w.runs for w in alone.saved if w.entry != "ref"} == {2}


def test_measuring_in_turns_goes_on_after_an_interruption():
    names = [f"probe{i}" for i in range(10)]
    whole = Bench(dict.fromkeys(names, 1e-4), turns=4).run(in_turns=names)
    rest = Bench(dict.fromkeys(names, 1e-4), turns=4).run(whole.saved[:17], in_turns=names)
    taken = {(w.entry, w.round) for w in whole.saved[:17] if w.entry != "ref"}
    assert taken and not taken & {(w.entry, w.round) for w in rest.saved}
    assert all({r for e, r in taken if e == name} | set(rest.rounds(name)) >= {0, 1, 2} for name in names)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"samples": 0}, "samples is 0; it must be positive"), ({"max_rounds": 2}, "is below min_rounds")],
)
def test_a_faulty_protocol_is_an_error(fields, message):
    with pytest.raises(RunnerError, match=message):
        Protocol(**fields)
