"""Visits on a fake clock."""

import pytest

from nas.runner.protocol import Protocol, Window
from nas.runner.visits import estimate, take_visits

PROTOCOL = Protocol(
    visits=3, min_rounds=6, max_rounds=12, spread_s=9.0, budget_s=100.0, relative_precision=0.02
)


class Machine:
    """Takes visits that last a second each; ``us`` is the time of the entry in the next one."""

    def __init__(self, us=lambda visit: 100.0, reference=lambda visit: 50.0):
        self.now, self.windows, self.starts, self.firsts = 0.0, [], [], []
        self.us, self.reference, self.code = us, reference, 0

    def take(self, visit, is_first):
        self.starts.append(self.now)
        self.firsts.append(is_first)
        for round_ in range(2 * visit, 2 * visit + 2):
            for name, us in (("a", self.us(visit)), ("reference-small", self.reference(visit))):
                self.windows.append(Window(name, round_, self.now, 1, (us,) * 10, visit=visit))
        self.now += 1.0
        return self.code

    def sleep(self, seconds):
        self.now += seconds

    def run(self, protocol=PROTOCOL, usual_us=None):
        return take_visits(
            protocol,
            entries=["a"],
            usual_us=usual_us or {},
            take=self.take,
            windows=lambda: self.windows,
            clock=lambda: self.now,
            sleep=self.sleep,
        )


def test_visits_are_spread_over_time():
    machine = Machine()
    assert machine.run() == 0
    assert machine.starts == [0.0, 3.0, 6.0]
    assert machine.firsts == [True, False, False]


def test_a_noisy_entry_gets_more_visits():
    machine = Machine(us=lambda visit: 100.0 + 7 * (visit % 2))
    machine.run()
    assert len(machine.starts) == 6, "up to max_rounds"


def test_a_machine_below_its_usual_speed_gets_more_visits():
    machine = Machine(reference=lambda visit: 70.0 if visit < 4 else 50.0)
    machine.run(usual_us={"reference-small": 50.0})
    assert len(machine.starts) == 5


def test_the_budget_ends_the_visits_but_there_is_one():
    protocol = Protocol(visits=3, min_rounds=6, max_rounds=12, spread_s=9.0, budget_s=2.0)
    machine = Machine()
    machine.run(protocol)
    assert len(machine.starts) == 1


def test_an_interrupted_measurement_goes_on_with_the_next_visit():
    machine = Machine()
    machine.take(0, True)
    machine.take(1, False)
    machine.run()
    assert [window.visit for window in machine.windows if window.entry == "a"][-2:] == [2, 2]
    assert len(machine.starts) == 3


def test_a_visit_that_fails_ends_the_measurement():
    machine = Machine()
    machine.code = 2
    assert machine.run() == 2
    assert len(machine.starts) == 1


def test_visits_that_have_not_seen_full_speed_do_not_count_for_the_interval():
    value, half = estimate({0: [100.0] * 10, 1: [101.0] * 10, 2: [100.5] * 10, 3: [160.0] * 10})
    assert value == pytest.approx(100.0)
    assert half < 0.03


def test_a_visits_protocol_takes_its_share_of_the_rounds():
    assert PROTOCOL.visit_rounds == 2
    assert (PROTOCOL.visit(1).min_rounds, PROTOCOL.visit(1).max_rounds) == (4, 4)
