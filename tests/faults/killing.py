"""Commands that are killed at random moments, and what of their work has to be there afterwards."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.files import sha256
from tests.processes import ROOT, Started, start

GROWING = ("samples.jsonl", "evaluations.jsonl", "journal.log", "control.log")
"""Files that get a line as a measurement or an evaluation is done."""

Start = Callable[[], Started]


def command(folder: Path, *words: str, environment: Mapping[str, str] | None = None) -> Start:
    """``nas WORDS`` in a folder, to be started again and again."""
    return lambda: start("-m", "nas.cli", *words, folder=folder, path=[str(ROOT)], environment=environment)


@dataclass(frozen=True)
class Done:
    """The finished work that lies in a folder.

    Attributes:
        lines: The complete lines of files that grow.
        epochs: The rows of finished epochs, by training. They hold images per second, so that a repeated
            epoch has another row. The last one may be written again.
        steps: The last complete checkpoint of each training.
    """

    lines: Mapping[str, bytes]
    epochs: Mapping[str, list[list[str]]]
    steps: Mapping[str, int]


def done(folder: Path) -> Done:
    """Reads the finished work of a run."""
    lines = {place(path, folder): whole_lines(path) for name in GROWING for path in folder.rglob(name)}
    checkpoints = folder.rglob("checkpoints/**/step-*.json")
    histories = [path for path in folder.rglob("*.csv") if path.name != "trials.csv"]
    steps: dict[str, int] = {}
    for path in checkpoints:
        training = place(path.parent, folder)
        steps[training] = max(steps.get(training, 0), int(path.stem.removeprefix("step-")))
    return Done(lines, {place(path, folder): rows(path) for path in histories}, steps)


def place(path: Path, folder: Path) -> str:
    """The path in the finished run: a step works in a partial folder."""
    parts = path.relative_to(folder).parts
    return "/".join(
        part[1:].removesuffix(".partial") if part.endswith(".partial") else part for part in parts
    )


def whole_lines(path: Path) -> bytes:
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.reader(stream))


def assert_kept(before: Done, after: Done) -> None:
    """Nothing that was done before is missing afterwards, or was done again."""
    for name, lines in before.lines.items():
        assert after.lines.get(name, b"").startswith(lines), f"{name} lost lines"
    for name, epochs in before.epochs.items():
        assert after.epochs.get(name, [])[: len(epochs) - 1] == epochs[:-1], f"{name} lost epochs"
    for name, step in before.steps.items():
        assert after.steps.get(name, step) >= step, f"{name} lost a checkpoint"


def assert_evaluated_once(folder: Path) -> None:
    """No network was evaluated twice on the same images, with the same weights."""
    for path in folder.rglob("evaluations.jsonl"):
        counts = Counter(path.read_bytes().splitlines())
        assert max(counts.values()) == 1, f"{path}: {counts.most_common(1)}"


@dataclass(frozen=True)
class Victim:
    """A command to be killed.

    Attributes:
        start: Starts it.
        folder: Where its work lies.
        check: Looks at the results of a command that has ended by itself.
        again: Removes these results, so that the same command makes them again.
    """

    start: Start
    folder: Path
    check: Callable[[], None]
    again: Callable[[], None]

    def kill(self, times: int, *, longest_s: float, rng: random.Random) -> None:
        """Kills it, each time after up to ``longest_s`` seconds, and lets it end at last.

        After each kill, the same command goes on, and all finished work is still there.
        """
        before = done(self.folder)
        while times:
            started = self.start()
            if started.kill(after_s=rng.uniform(0, longest_s)):
                times -= 1
            else:
                self._end(started, before)
                self.again()
                longest_s /= 1.5  # it is quicker than expected
                before = done(self.folder)
                continue
            after = done(self.folder)
            assert_kept(before, after)
            before = after
        self._end(self.start(), before)

    def _end(self, started: Started, before: Done) -> None:
        ended = started.wait()
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert_kept(before, done(self.folder))
        assert_evaluated_once(self.folder)
        self.check()


UNSTABLE = ("images_per_s", "seconds")


def results(run_dir: Path, *, below: str = "") -> dict[str, object]:
    """What does not depend on clocks: weights, evaluations, winners, networks, files; by path.

    Args:
        run_dir: The run.
        below: The beginning of the paths; others may be damaged.
    """
    found: dict[str, object] = {}
    for path in sorted(run_dir.rglob("*")):
        name = path.relative_to(run_dir).as_posix()
        if (
            not name.startswith(below)
            or path.is_dir()
            or ".previous" in name
            or "measured/" in name
            or "logs/" in name
        ):
            continue
        if path.suffix in (".safetensors", ".onnx") or name in STABLE:
            found[name] = sha256(path)
        elif path.suffix == ".csv":
            head, *body = rows(path)
            kept = [index for index, title in enumerate(head) if title not in UNSTABLE]
            found[name] = [[row[index] for index in kept] for row in body]
        elif name == "evaluations.jsonl":
            found[name] = sorted(path.read_bytes().splitlines())
        else:
            found[name] = "exists"
    return found


STABLE = (
    *("supernet/supernet.json", "search/winner.json", "search/winners.json", "search/pareto.json"),
    *("search/control.json", "scale/scale.json", "final/results.json"),
)
