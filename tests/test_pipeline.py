from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from logging.handlers import QueueHandler
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from nas.errors import UserError
from nas.pipeline import RECORD, Step, differs_only_in, execute

ROOT = Path(__file__).resolve().parents[1]


def write(text: str = "result") -> Callable[[Path], None]:
    return lambda folder: (folder / "out.txt").write_text(text) and None


def never(folder: Path) -> None:
    raise AssertionError("the step was run")


def make_step(run_dir: Path, run: Callable[[Path], None] | None = None, **settings: Any) -> Step:
    """A step with one input and one output."""
    source = run_dir / "source.txt"
    if not source.exists():
        source.write_text("input")
    return Step(
        name="supernet",
        folder=run_dir / "supernet",
        settings=settings or {"train": {"epochs": 10}},
        inputs={"source": source},
        outputs=("out.txt",),
        run=run or write(),
    )


def said(step: Step) -> list[str]:
    """The lines that a step logs."""
    logger, handler = logging.getLogger("nas.pipeline"), QueueHandler(SimpleQueue())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        execute(step)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    return [handler.queue.get().getMessage() for _ in range(handler.queue.qsize())]


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_step_writes_its_outputs_and_a_record(tmp_path: Path) -> None:
    assert execute(make_step(tmp_path))
    record = json.loads((tmp_path / "supernet" / RECORD).read_text())
    assert record["settings"] == {"train": {"epochs": 10}}
    assert set(record["inputs"]) == {"source"}
    assert set(record["outputs"]) == {"out.txt"}
    assert record["seconds"] >= 0
    assert "python" in record["versions"]
    assert visible(tmp_path) == ["source.txt", "supernet"]


def test_a_finished_step_is_skipped(tmp_path: Path) -> None:
    execute(make_step(tmp_path))
    assert said(make_step(tmp_path, never)) == ["supernet: already done, skipped"]
    assert not execute(make_step(tmp_path, never))


def test_equal_settings_are_recognised_whatever_their_types(tmp_path: Path) -> None:
    execute(make_step(tmp_path, widths=(1, 2), nothing=None))
    assert not execute(make_step(tmp_path, never, widths=[1, 2], nothing=None))


def test_a_setting_without_a_value_may_come_or_go_with_a_version(tmp_path: Path) -> None:
    execute(make_step(tmp_path, table={"budget": "60s", "published": None}))
    assert not execute(make_step(tmp_path, never, table={"budget": "60s", "remote": {"port": None}}))


def test_an_input_with_the_same_content_elsewhere_counts_as_the_same(tmp_path: Path) -> None:
    execute(make_step(tmp_path))
    step = make_step(tmp_path, never)
    copy = tmp_path / "copy.txt"
    copy.write_text("input")
    assert not execute(
        Step(
            name=step.name,
            folder=step.folder,
            settings=step.settings,
            inputs={"source": copy},
            outputs=step.outputs,
            run=never,
        )
    )


def test_a_changed_setting_is_named_and_the_previous_result_kept(tmp_path: Path) -> None:
    execute(make_step(tmp_path, write("old"), train={"epochs": 10, "rate": 0.1}, gone=1))
    lines = said(make_step(tmp_path, write("new"), train={"epochs": 20, "rate": 0.1}, fresh="x"))
    assert lines[0] == (
        'supernet: done again, because train.epochs: 10 -> 20; gone: 1 -> (not set); fresh: (not set) -> "x"'
    )
    assert (tmp_path / "supernet" / "out.txt").read_text() == "new"
    assert (tmp_path / "supernet.previous" / "out.txt").read_text() == "old"


def test_only_one_previous_result_is_kept(tmp_path: Path) -> None:
    for text in ("first", "second", "third"):
        execute(make_step(tmp_path, write(text), text=text))
    assert visible(tmp_path) == ["source.txt", "supernet", "supernet.previous"]
    assert (tmp_path / "supernet.previous" / "out.txt").read_text() == "second"


def test_a_changed_input_is_named(tmp_path: Path) -> None:
    execute(make_step(tmp_path))
    (tmp_path / "source.txt").write_text("other input")
    assert "because the source changed" in said(make_step(tmp_path))[0]


def test_an_input_that_other_settings_read_or_do_not_read_is_named(tmp_path: Path) -> None:
    execute(make_step(tmp_path))
    (tmp_path / "table.json").write_text("table")
    step = replace(make_step(tmp_path), inputs={"table": tmp_path / "table.json"})
    reasons = "it reads the table now; it does not read the source any more"
    assert said(step)[0] == f"supernet: done again, because {reasons}"


@pytest.mark.parametrize("damage", ["change", "remove", "record"])
def test_a_damaged_result_is_made_anew(tmp_path: Path, damage: str) -> None:
    execute(make_step(tmp_path))
    folder = tmp_path / "supernet"
    {
        "change": lambda: (folder / "out.txt").write_text("resul"),
        "remove": (folder / "out.txt").unlink,
        "record": lambda: (folder / RECORD).write_text('{"schema": 1'),
    }[damage]()
    expected = {"change": "was changed", "remove": "is missing", "record": "missing or damaged"}[damage]
    assert expected in said(make_step(tmp_path))[0]
    assert not execute(make_step(tmp_path))


def shipping(run_dir: Path, run: Callable[[Path], None] | None = None) -> Step:
    """A step whose files, but for raw ones and checkpoints, all count."""

    def ship(folder: Path) -> None:
        (folder / "raw").mkdir(exist_ok=True)
        for name in ("out.txt", "model.onnx", "raw/samples", ".hidden"):
            (folder / name).write_text(name)

    return replace(make_step(run_dir, run or ship), outputs=("out.txt", "*"))


@pytest.mark.parametrize("damage", ["remove", "change"])
def test_a_file_that_ships_and_is_missing_or_changed_is_made_anew(tmp_path: Path, damage: str) -> None:
    execute(shipping(tmp_path))
    record = json.loads((tmp_path / "supernet" / RECORD).read_text())
    assert set(record["outputs"]) == {"out.txt", "model.onnx"}
    model = tmp_path / "supernet" / "model.onnx"
    if damage == "remove":
        model.unlink()
    else:
        model.write_text("model.onny")
    lines = said(shipping(tmp_path))
    assert lines[0] == "supernet: done again, because model.onnx is missing or was changed"
    assert model.read_text() == "model.onnx"
    assert not execute(shipping(tmp_path, never))


def test_files_that_were_added_or_do_not_count_change_nothing(tmp_path: Path) -> None:
    execute(shipping(tmp_path))
    (tmp_path / "supernet" / "notes.txt").write_text("mine")
    (tmp_path / "supernet" / "raw" / "samples").unlink()
    assert not execute(shipping(tmp_path, never))


def test_a_record_that_knows_fewer_outputs_is_valid(tmp_path: Path) -> None:
    execute(make_step(tmp_path))
    assert not execute(shipping(tmp_path, never))


def test_a_missing_input_is_a_user_error(tmp_path: Path) -> None:
    step = make_step(tmp_path)
    (tmp_path / "source.txt").unlink()
    with pytest.raises(UserError, match=r"supernet needs the source, but .*source\.txt does not exist"):
        execute(step)


def test_a_failing_step_leaves_the_earlier_result_untouched(tmp_path: Path) -> None:
    execute(make_step(tmp_path, write("old"), epochs=1))

    def fail(folder: Path) -> None:
        (folder / "out.txt").write_text("half")
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        execute(make_step(tmp_path, fail, epochs=2))
    assert not execute(make_step(tmp_path, epochs=1))
    assert not (tmp_path / "supernet.previous").exists()


def test_a_user_error_before_any_work_leaves_nothing_behind(tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        raise UserError("no images")

    with pytest.raises(UserError):
        execute(make_step(tmp_path, refuse))
    assert visible(tmp_path) == ["source.txt"]


def test_an_interrupted_step_goes_on_where_it_was(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "checkpoint").write_text("epoch 3")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(make_step(tmp_path, interrupted))
    found: list[str] = []

    def resume(folder: Path) -> None:
        found.append((folder / "checkpoint").read_text())
        write()(folder)

    assert said(make_step(tmp_path, resume))[0] == "supernet: resumes where it was interrupted"
    assert found == ["epoch 3"]


def test_an_interrupted_attempt_with_other_settings_is_cleared(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "checkpoint").write_text("epoch 3")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(make_step(tmp_path, interrupted, epochs=1))

    def fresh(folder: Path) -> None:
        assert visible(folder) == [RECORD]
        write()(folder)

    execute(make_step(tmp_path, fresh, epochs=2))


def test_a_step_killed_before_its_last_rename_is_not_run_again(tmp_path: Path) -> None:
    step = make_step(tmp_path, never)
    execute(make_step(tmp_path))
    step.folder.rename(step.partial)
    execute(step)
    assert not execute(step)


def test_a_step_that_forgets_an_output_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"did not write \['out.txt'\]"):
        execute(make_step(tmp_path, lambda folder: None))


def _hold(run_dir: Path, started: Any, release: Any) -> None:
    def wait(folder: Path) -> None:
        started.set()
        release.wait(30)
        write()(folder)

    execute(make_step(run_dir, wait))


def test_two_processes_cannot_do_the_same_step(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    started, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, started, release))
    other.start()
    assert started.wait(30)
    with pytest.raises(UserError, match=r"another process is working on .*supernet; wait for it"):
        execute(make_step(tmp_path, never))
    release.set()
    other.join(30)
    assert not execute(make_step(tmp_path, never))


KILLED = """
import sys, time
from pathlib import Path
from nas.pipeline import Step, execute

def work(folder):
    (folder / "out.txt").write_text("half")
    print("working", flush=True)
    time.sleep(60)

source = Path(sys.argv[1]) / "source.txt"
source.write_text("input")
execute(Step(name="supernet", folder=Path(sys.argv[1]) / "supernet", settings={"train": {"epochs": 10}},
             inputs={"source": source}, outputs=("out.txt",), run=work))
"""


def test_a_killed_process_leaves_no_lock_and_no_half_result(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "supernet").exists()
    start = time.monotonic()
    assert said(make_step(tmp_path))[0] == "supernet: resumes where it was interrupted"
    assert time.monotonic() - start < 5
    assert (tmp_path / "supernet" / "out.txt").read_text() == "result"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source.txt", "supernet"]


KILLED_WRITER = """
import os, signal
from pathlib import Path
from nas.files import atomic
with atomic(Path(".supernet.partial/deep/weights.bin")) as temporary:
    temporary.write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_leaves_is_no_result(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    step = make_step(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(replace(step, run=interrupted))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER], cwd=tmp_path, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((step.partial / "deep").iterdir())) == 1
    execute(step)
    assert sorted(path.name for path in step.folder.rglob("*")) == ["deep", "out.txt", "step.json"]


def test_results_that_differ_in_named_settings_only(tmp_path: Path) -> None:
    execute(step := make_step(tmp_path, epochs=10, candidate=None))
    assert differs_only_in(replace(step, settings={"epochs": 10, "candidate": 2}), "candidate")
    assert not differs_only_in(replace(step, settings={"epochs": 20, "candidate": 2}), "candidate")
    (tmp_path / "supernet" / "out.txt").write_text("changed")
    assert not differs_only_in(step, "candidate"), "damaged results are no results"


def test_a_step_without_results_differs_in_all(tmp_path: Path) -> None:
    assert not differs_only_in(make_step(tmp_path), "candidate")
