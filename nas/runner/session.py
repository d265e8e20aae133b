"""One measurement: selects the next windows from those taken so far."""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from .protocol import Clock, Model, Progress, Protocol, Window, is_enough, quieter_half
from .timing import time_in_turns, time_window
from .watch import Watch

_WORTHIEST = 4  # 1 in 4 entries is timed again, once all have their minimum rounds
_AT_LEAST = 20
_WAITING = 0.25  # maximum share of the budget for waiting for the machine
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0


class Session:
    """Takes the windows that a measurement lacks.

    Args:
        entries: The entries to time, in any order.
        references: The reference kernels among the models, timed in between.
        in_turns: The entries that are timed in turns.
        open_model: Opens a model by its entry.
        save: Called with each window as it completes.
        protocol: How to measure.
        clock: Monotonic seconds.
        wall: Seconds of the wall clock, for the record.
        sleep: Waits for a number of seconds.
        others: Returns the CPUs that other programs kept busy since its last call, if known.
        open_at_once: Maximum open models. The least recently used one is closed for a new one.
        windows: Windows of an earlier, interrupted run.
        usage: Mean occurrences of each entry in a network, 1 by default.
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
        windows: Sequence[Window] = (),
        usage: Mapping[str, float] | None = None,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._entries, self._references = tuple(entries), tuple(references)
        self._open_model, self._save, self._progress = open_model, save, progress
        self._protocol, self._clock, self._wall, self._sleep = protocol, clock, wall, sleep
        self._open_at_once, self._usage, self._others = open_at_once, usage or {}, others
        self._in_turns = tuple(in_turns) if 1 < protocol.turns <= open_at_once else ()
        self._turn_takers = frozenset(self._in_turns)
        self._random = random.Random(protocol.seed)
        self._rounds: dict[str, dict[int, float]] = {name: {} for name in (*entries, *references)}
        self._took_s: dict[str, float] = {}
        self._models: dict[str, Model] = {}
        self._watch = Watch(references, slowed_down=protocol.slowed_down)
        self._reference_due = self._round_due = -math.inf
        self._queue: deque[tuple[str, int]] = deque()
        self._unchecked: list[tuple[str, int]] = []
        self._spent_s = self._waited_s = self._paused_s = 0.0
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
        finally:
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
        """Takes the windows of the queue, which grows by those that have to be repeated."""
        while self._queue:
            if self._rounds[self._queue[0][0]] and self._is_spent():
                self._queue.popleft()
                continue
            self._time_references()
            self._unchecked += self._take(self._queue.popleft())

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
        return self._protocol.budget_s - self._spent_s - self._waited_s - self._paused_s

    def _is_spent(self) -> bool:
        return self._left_s() <= 0

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
        """Times the reference kernels if they are due, and handles a machine that has slowed down."""
        if not self._references or (not force and self._clock() < self._reference_due):
            return
        self._take_references()
        while self._watch.is_slow and not self._watch.is_confirmed:
            self._take_references()
        if self._watch.is_slow:
            self._wait()
        self._watch.accept()
        self._unchecked.clear()
        self._reference_due = self._clock() + self._protocol.reference_every_s

    def _take_references(self) -> None:
        for name in self._references:
            self._take((name, len(self._rounds[name])))

    def _wait(self) -> None:
        """Pauses until the machine has recovered, and queues the windows since its last good state.

        If it does not recover, its new state becomes the usual one. The reference kernels show the slowdown,
        which is divided out later.
        """
        left_s, delay_s = self._may_wait_s(), _FIRST_WAIT_S
        if left_s <= 0:
            return
        self._report(f"the machine slowed down by {self._watch.slowdown:.0%}; waiting up to {left_s:.0f} s")
        while left_s > 0 and self._watch.is_slow:
            delay_s = min(delay_s, left_s)
            start = self._clock()
            self._sleep(delay_s)
            self._watch.forget()
            self._waited_s += self._clock() - start
            left_s -= delay_s
            delay_s = min(2 * delay_s, _LONGEST_WAIT_S)
            self._take_references()
        if self._watch.is_slow:
            self._report(
                f"it is still slower by {self._watch.slowdown:.0%}; going on, which is corrected later"
            )
        else:
            self._queue.extendleft(reversed(self._unchecked))
            self._report(f"it recovered; {len(self._unchecked)} windows are repeated")

    def _may_wait_s(self) -> float:
        return max(min(self._protocol.pause_s, _WAITING * self._protocol.budget_s - self._waited_s), 0.0)

    def _take(self, first: tuple[str, int]) -> list[tuple[str, int]]:
        """Takes one window, or several in turns; returns their entries and rounds."""
        name, round_ = first
        if name in self._turn_takers:
            rounds = {name: round_, **self._partners(name)}
            models = {each: self._model(each) for each in rounds}
            windows = time_in_turns(models, rounds=rounds, protocol=self._protocol, wall=self._wall)
        else:
            model, protocol = self._model(name), self._protocol
            windows = [
                time_window(
                    model, entry=name, round_=round_, protocol=protocol, clock=self._clock, wall=self._wall
                )
            ]
        windows[-1] = dataclasses.replace(windows[-1], others_cpus=self._others())
        for window in windows:
            self._note(window)
            self._watch.note(window)
            self._save(window)
        self._report()
        return [(window.entry, window.round) for window in windows]

    def _note(self, window: Window) -> None:
        """Records a window. Of repeated ones, the last counts."""
        if window.entry in self._rounds:
            self._rounds[window.entry][window.round] = window.quiet_us
            self._took_s[window.entry] = window.took_s
        self._spent_s += window.took_s

    def _model(self, name: str) -> Model:
        if name in self._models:
            self._models[name] = self._models.pop(name)  # the most recently used is last
        else:
            self._close(self._open_at_once - 1)
            start = self._clock()
            self._models[name] = self._open_model(name)
            self._spent_s += self._clock() - start
        return self._models[name]

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
