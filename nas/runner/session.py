"""One measurement: selects the next windows from those taken so far."""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from .errors import faults_of
from .protocol import Clock, Model, Progress, Protocol, Window, is_enough, quieter_half
from .timing import clock_step, time_in_turns, time_window

_WORTHIEST = 4  # 1 in 4 entries is timed again, once all have their minimum rounds
_AT_LEAST = 20
_MOST = 0.8  # of the minimum rounds: with fewer, the user hears of it
_BETWEEN_REFERENCES = 4.0  # times the duration of timing them: they take a fifth of a slow device's time


class Session:
    """Takes the windows that a measurement lacks.

    Args:
        entries: The entries to time, in any order.
        references: The reference models, timed in between.
        in_turns: The entries that are timed in turns.
        open_model: Opens a model by its entry.
        save: Called with each window as it completes.
        protocol: How to measure.
        clock: Monotonic seconds.
        wall: Seconds of the wall clock, for the record.
        sleep: Waits for a number of seconds.
        others: Returns the CPUs that other programs kept busy since its last call, if known.
        open_at_once: Maximum open models. The least recently used one is closed for a new one.
        has_room: Whether there is memory for one more model. Without, an open one is closed for it.
        leave_open: Whether to leave the last models open at the end.
        windows: Windows of an earlier, interrupted run.
        usage: Mean occurrences of each entry in a network, 1 by default.
        visit: The number of this process among those of the measurement.
        progress: Called with the progress of the measurement.
    """

    def __init__(
        self,
        entries: Sequence[str],
        *,
        references: Sequence[str],
        in_turns: Sequence[str] = (),
        open_model: Callable[[str], Model],
        save: Callable[[Window], None],
        protocol: Protocol,
        clock: Clock,
        wall: Clock,
        sleep: Callable[[float], None] = time.sleep,
        others: Callable[[], float | None] = lambda: None,
        open_at_once: int = 4000,
        has_room: Callable[[], bool] = lambda: True,
        leave_open: bool = False,
        windows: Sequence[Window] = (),
        usage: Mapping[str, float] | None = None,
        visit: int = 0,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._entries, self._references = tuple(entries), tuple(references)
        self._open_model, self._save, self._progress = open_model, save, progress
        self._protocol, self._clock, self._wall, self._sleep = protocol, clock, wall, sleep
        self._open_at_once, self._has_room, self._leave_open = open_at_once, has_room, leave_open
        self._usage, self._others = usage or {}, others
        self._visit = visit
        self._in_turns = tuple(in_turns) if 1 < protocol.turns <= open_at_once else ()
        self._turn_takers = frozenset(self._in_turns)
        self._random = random.Random(protocol.seed)
        self._rounds: dict[str, dict[int, float]] = {name: {} for name in (*entries, *references)}
        self._took_s: dict[str, float] = {}
        self._models: dict[str, Model] = {}
        self._reference_due = self._round_due = -math.inf
        self._queue: deque[tuple[str, int]] = deque()
        self._spent_s = self._paused_s = self._opening_s = 0.0
        for window in windows:
            self._note(window)

    def run(self) -> None:
        """Takes windows until every entry has enough or the budget is spent."""
        pass_ = 0
        try:
            while self._plan(pass_):
                self._spread(pass_)
                self._work_off()
                pass_ += 1
            if self._models:
                self._time_references(force=True)
                self._work_off()
            self._judge_budget()
        finally:
            if not self._leave_open:
                self._close(0)

    def _plan(self, pass_: int) -> bool:
        """Queues a round in shuffled order; False if there is nothing left to do."""
        if pass_ and self._is_spent():
            return False
        active = [name for name in self._entries if not self._is_finished(name)]
        if pass_ >= self._protocol.min_rounds:
            active = self._worthiest(active)
        random.Random(f"{self._protocol.seed}/{pass_}").shuffle(active)
        counts = {name: len(self._rounds[name]) for name in active}
        late = pass_ >= self._protocol.min_rounds
        self._queue.extend((name, count) for name, count in counts.items() if late or count <= pass_)
        return bool(active)

    def _spread(self, pass_: int) -> None:
        """Waits until a round is due, so that rounds are spread over time."""
        if pass_ >= self._protocol.min_rounds or not self._queue:
            return
        pause_s = min(self._round_due - self._clock(), self._left_s())
        if pause_s > 0:
            self._sleep(pause_s)
            self._paused_s += pause_s
        self._round_due = self._clock() + self._protocol.spread_s / self._protocol.min_rounds

    def _work_off(self) -> None:
        """Takes the windows of the queue."""
        while self._queue:
            if self._rounds[self._queue[0][0]] and self._is_spent():
                self._queue.popleft()
                continue
            self._time_references()
            self._take(self._queue.popleft())

    def _partners(self, first: str) -> dict[str, int]:
        """Entries and rounds to take in turns with ``first``: waiting ones, then any."""
        partners: dict[str, int] = {}
        waiting: list[tuple[str, int]] = []
        places = self._protocol.turns - 1
        while self._queue and len(partners) < places:
            name, round_ = self._queue.popleft()
            if name in self._turn_takers and name != first and name not in partners:
                partners[name] = round_
            else:
                waiting.append((name, round_))
        self._queue.extendleft(reversed(waiting))
        others = [name for name in self._in_turns if name != first and name not in partners]
        for name in self._random.sample(others, min(places - len(partners), len(others))):
            partners[name] = len(self._rounds[name])
        return partners

    def _left_s(self) -> float:
        """The remaining seconds of the budget."""
        return self._protocol.budget_s - self._spent_s - self._paused_s

    def _is_spent(self) -> bool:
        return self._left_s() <= 0

    def _judge_budget(self) -> None:
        """Reports a budget that was too short for the minimum rounds, and one that is long enough."""
        if not self._entries:
            return
        least = self._protocol.min_rounds
        rounds = statistics.fmean(min(len(self._rounds[name]), least) for name in self._entries)
        if self._is_spent() and rounds < _MOST * least:
            spent_s = self._protocol.budget_s - self._left_s()
            minutes = math.ceil(spent_s * least / rounds / 60)
            self._report(
                f"the budget ended after {rounds:.1f} of {least} rounds, with which latencies are uncertain; "
                f"a budget of {minutes}m has room for all (opening the models takes a part of it)"
            )

    def _is_finished(self, name: str) -> bool:
        return is_enough(list(self._rounds[name].values()), self._protocol)

    def _worthiest(self, names: Sequence[str]) -> list[str]:
        """The ``names`` whose next window reduces the error of a typical network most, for its time."""
        ranked = sorted(names, key=self._worth, reverse=True)
        return ranked[: max(_AT_LEAST, len(ranked) // _WORTHIEST)]

    def _worth(self, name: str) -> float:
        """The decrease of a typical network's variance by one more window, per second of measuring."""
        rounds = list(self._rounds[name].values())
        quiet = quieter_half(rounds)
        variance = statistics.variance(quiet if len(quiet) > 1 else [*rounds, *rounds])
        error = self._usage.get(name, 1.0) ** 2 * variance / (len(quiet) * (len(quiet) + 1))
        return error / max(self._took_s[name], 1e-6)

    def _time_references(self, *, force: bool = False) -> None:
        """Times the references if they are due."""
        if not self._references or (not force and self._clock() < self._reference_due):
            return
        self._take_references()
        pause_s = max(self._protocol.reference_every_s, _BETWEEN_REFERENCES * self._references_took_s())
        self._reference_due = self._clock() + pause_s

    def _references_took_s(self) -> float:
        return sum(self._took_s[name] for name in self._references)

    def _take_references(self) -> None:
        for name in self._references:
            self._take((name, len(self._rounds[name])))

    def _take(self, first: tuple[str, int]) -> None:
        """Takes one window, or several in turns."""
        name, round_ = first
        if name in self._turn_takers:
            rounds = {name: round_, **self._partners(name)}
            models = {each: self._model(each) for each in rounds}
            windows = time_in_turns(models, rounds=rounds, protocol=self._protocol, wall=self._wall)
            if any(clock_step(window.samples_us) or min(window.samples_us) <= 0 for window in windows):
                self._queue.extendleft(rounds.items())
                self._take_no_turns()
                return
        else:
            model, protocol = self._model(name), self._protocol
            windows = [
                time_window(
                    model, entry=name, round_=round_, protocol=protocol, clock=self._clock, wall=self._wall
                )
            ]
        took_s = round(windows[-1].took_s + self._opening_s, 6)
        self._opening_s = 0.0
        windows[-1] = dataclasses.replace(windows[-1], took_s=took_s, others_cpus=self._others())
        for window in [dataclasses.replace(each, visit=self._visit) for each in windows]:
            self._note(window)
            self._save(window)
        self._report()

    def _take_no_turns(self) -> None:
        """Goes over to timing each entry alone, with many runs a sample."""
        self._in_turns, self._turn_takers = (), frozenset()
        self._report(
            "the runtime's clock moves in steps longer than a block: blocks are timed alone, which takes "
            "longer, and finds their data in nearer caches than in a network"
        )

    def _note(self, window: Window) -> None:
        """Records a window."""
        if window.entry in self._rounds:
            self._rounds[window.entry][window.round] = window.quiet_us
            self._took_s[window.entry] = window.took_s
        self._spent_s += window.took_s

    def _model(self, name: str) -> Model:
        if name in self._models:
            self._models[name] = self._models.pop(name)  # the most recently used is last
        else:
            self._close(self._most_open() - 1)
            start = self._clock()
            with faults_of(name):
                self._models[name] = self._open_model(name)
            self._opening_s += self._clock() - start
        return self._models[name]

    def _most_open(self) -> int:
        """Models that may be open. Those that take turns stay open together, even without room."""
        if self._has_room():
            return self._open_at_once
        return min(max(len(self._models), self._protocol.turns), self._open_at_once)

    def _close(self, left: int) -> None:
        """Closes the least recently used models until ``left`` are open."""
        while len(self._models) > left:
            self._models.pop(next(iter(self._models))).close()

    def _report(self, note: str = "") -> None:
        counts = [len(self._rounds[name]) for name in self._entries]
        done, total = sum(counts), sum(max(count, self._protocol.min_rounds) for count in counts)
        pace = self._spent_s / max(done, 1)
        left = min(pace * (total - done), max(self._left_s(), 0.0))
        self._progress(Progress(done, total, left, note))
