"""Random sequences of commands, interruptions and damage on one run folder, against a model of it.

Whatever the order: a finished step has the results of an undisturbed one with the same settings and inputs,
it is done again if and only if these have changed or its files are damaged, and every error is one line.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.cli.steps.test_cli_pipeline import Run, write_project
from tests.faults.killing import assert_evaluated_once
from tests.faults.run_model import RunModel, Settings, Value
from tests.faults.test_kills import SETTINGS, STEPS
from tests.faults.writes import Writes
from tests.processes import ROOT, start

FEW, MORE, OTHER_IMAGES = Settings(0, 4), Settings(0, 5), Settings(1, 4)
QUICK = (*SETTINGS, "train.epochs=1", "finish.epochs=1", "export.measure_budget=0.01s")

KILLED = """
import os, signal, sys
from pathlib import Path
from nas.cli.__main__ import main
from tests.faults.writes import Writes

folder, at = Path(sys.argv[1]), int(sys.argv[2])
Writes(folder).watch(at=at, act=lambda: os.kill(os.getpid(), signal.SIGKILL))
sys.exit(main(sys.argv[3:]))
"""


@dataclass(frozen=True)
class Project:
    """A project, and undisturbed runs of it.

    Attributes:
        run: Runs commands in its folder.
        writes: Fails at the n-th write into one of its runs.
        wholes: The undisturbed runs.
        known: The results of undisturbed steps.
        numbers: The number of the next run.
    """

    run: Run
    writes: Writes
    wholes: dict[Settings, Path] = field(default_factory=dict)
    known: dict[Value, Mapping[str, object]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)

    def whole(self, chosen: Settings) -> Path:
        """An undisturbed run with these settings."""
        if chosen not in self.wholes:
            run_dir = self.run.folder / "whole" / str(len(self.wholes)) / "mini"
            code, _, err = self.run.nas("run", *QUICK, *chosen.words(), f"run_dir={run_dir}")
            assert code == 0, err
            self.wholes[chosen] = run_dir
            model = RunModel(run_dir, self.known)
            for command in STEPS:
                model.finish(command, chosen)
        return self.wholes[chosen]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project").resolve()
    write_project(folder)
    return Project(Run(folder, ""), Writes(folder / "runs"))


def no_room() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Sequences(RuleBasedStateMachine):
    """Commands on one run folder."""

    def __init__(self, project: Project, choices: tuple[Settings, ...]) -> None:
        super().__init__()
        self.project, self.choices = project, choices
        self.run_dir = project.run.folder / "runs" / str(next(project.numbers)) / "mini"
        self.model = RunModel(self.run_dir, project.known)
        self.chosen = choices[0]

    @initialize(is_finished=st.booleans(), number=st.integers(0, 2))
    def begin(self, is_finished: bool, number: int) -> None:
        self.choose(number)
        whole = self.project.whole(self.chosen)
        if is_finished:
            shutil.copytree(whole, self.run_dir)
            for command in STEPS:
                self.model.finish(command, self.chosen)

    @rule(number=st.integers(0, 2))
    def choose(self, number: int) -> None:
        self.chosen = self.choices[number % len(self.choices)]

    @rule(command=st.sampled_from(["run", *STEPS]))
    def command(self, command: str) -> None:
        self._observe(command, lambda: self.project.run.nas(*self._words(command)))

    @rule(command=st.sampled_from(["run", *STEPS]), at=st.integers(1, 50))
    def command_without_room(self, command: str, at: int) -> None:
        def body() -> tuple[int, str, str]:
            self.project.writes.watch(at=at, act=no_room)
            try:
                return self.project.run.nas(*self._words(command))
            finally:
                self.project.writes.stop()

        self._observe(command, body, is_disturbed=True)

    @rule(command=st.sampled_from(["run", *STEPS]), at=st.integers(1, 50))
    def command_killed_at_a_write(self, command: str, at: int) -> None:
        words = ("-c", KILLED, str(self.run_dir), str(at), *self._words(command))
        self._killed(command, words, after_s=None)

    @rule(command=st.sampled_from(["run", *STEPS]), after_s=st.floats(0.2, 3))
    def command_killed_after(self, command: str, after_s: float) -> None:
        self._killed(command, ("-m", "nas.cli", *self._words(command)), after_s=after_s)

    @rule(command=st.sampled_from(["report", "measure", "cost"]))
    def look(self, command: str) -> None:
        winner = self.run_dir / "deploy" / "winner.onnx"
        needed = {"report": self.run_dir / "provenance.json", "measure": winner}.get(command)
        words = (f"measure.files=[{winner}]", "measure.budget=0.01s") if command == "measure" else ()
        before = self._records()
        code, _, err = self.project.run.nas(*self._words(command), *words)
        self._check_error(code, err)
        assert self._records() == before
        if needed is not None and not needed.exists():
            assert code == 2
        elif not self.model.damaged():
            assert code == 0, err

    @rule(command=st.sampled_from([*STEPS]))
    def delete(self, command: str) -> None:
        shutil.rmtree(self.run_dir / STEPS[command], ignore_errors=True)
        self.model.forget(command)

    @rule(share=st.floats(0, 0.99), number=st.integers(0, 100))
    def cut_off(self, share: float, number: int) -> None:
        outputs = [path for path in self.model.outputs() if path.is_file()]
        if outputs:
            path = outputs[number % len(outputs)]
            data = path.read_bytes()
            path.write_bytes(data[: int(len(data) * share)])

    def teardown(self) -> None:
        self._observe("run", lambda: self.project.run.nas(*self._words("run")))
        assert not self.model.damaged()
        # A killed step of other settings keeps its partial folder, for when it goes on.
        assert not list(self.run_dir.glob("[!.]*/**/.~*"))
        shutil.rmtree(self.run_dir.parent)

    def _words(self, command: str) -> tuple[str, ...]:
        return command, *QUICK, *self.chosen.words(), f"run_dir={self.run_dir}"

    def _killed(self, command: str, words: tuple[str, ...], *, after_s: float | None) -> None:
        def body() -> tuple[int, str, str]:
            started = start(*words, folder=self.project.run.folder, path=[str(ROOT)])
            if after_s is not None:
                started.kill(after_s=after_s)
            ended = started.wait()
            return ended.returncode, ended.stdout, ended.stderr

        self._observe(command, body, is_disturbed=True)

    def _observe(
        self, command: str, body: Callable[[], tuple[int, str, str]], *, is_disturbed: bool = False
    ) -> None:
        """Runs a command and compares with the model what it did, step by step."""
        steps = list(STEPS) if command == "run" else [command]
        must_fail = command != "run" and self.model.is_refused(command, self.chosen)
        may_fail = must_fail or is_disturbed or (command != "run" and bool(self.model.damaged()))
        before, changed = self._records(), self.model.changed()
        code, out, err = body()
        self._check_error(code, err)
        assert code == 0 or may_fail, err
        assert code != 0 or not must_fail, out
        after = self._records()
        assert all(after[name] == before[name] for name in STEPS if name not in steps)
        for name in steps:
            is_new = after[name] is not None and after[name] != before[name]
            is_due = self.model.is_due(name, self.chosen, damaged=changed)
            assert not is_new or is_due, f"{name} was done twice: {out}"
            assert code != 0 or is_new or not is_due, f"{name} was not done again: {out}"
            if is_new:
                self.model.finish(name, self.chosen)
            elif after[name] is None:
                self.model.forget(name)
        if self.run_dir.exists():
            assert_evaluated_once(self.run_dir)

    def _records(self) -> dict[str, bytes | None]:
        """The record of each finished step."""
        paths = {command: self.run_dir / folder / "step.json" for command, folder in STEPS.items()}
        return {command: path.read_bytes() if path.exists() else None for command, path in paths.items()}

    def _check_error(self, code: int, err: str) -> None:
        assert code in (0, 2, -9), err
        if code == 2:
            assert err.startswith("error: ") and len(err.splitlines()) == 1, err
        else:
            assert "Traceback" not in err, err


def check(
    project: Project, choices: tuple[Settings, ...], *, examples: int, steps: int, seeded: bool
) -> None:
    run_state_machine_as_test(
        lambda: Sequences(project, choices),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=seeded,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_random_sequences(project: Project) -> None:
    check(project, (FEW, MORE), examples=3, steps=6, seeded=True)


@pytest.mark.long
def test_two_hundred_random_sequences(project: Project) -> None:
    check(project, (FEW, MORE, OTHER_IMAGES), examples=200, steps=15, seeded=False)
