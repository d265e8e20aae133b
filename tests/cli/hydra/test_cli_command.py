"""What all commands do alike, with a command whose body is the test's."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli.bars import progress_bar
from nas.cli.hydra.command import Body, Command, Job, split_flags
from nas.cli.screen import say
from nas.config import Config
from nas.errors import UserError


def run(body: Body, *arguments: str) -> int:
    return Command(name="train", summary="tests", reads=(), body=body).main(arguments)


def test_the_body_gets_a_typed_configuration_and_its_folder(own_folder: Path) -> None:
    seen: list[tuple[Config, Job]] = []
    assert run(lambda *given: seen.append(given), "seed=5", "run_dir=here/there") == 0
    [(config, job)] = seen
    assert config.seed == 5
    assert config.run_dir == "here/there"
    assert job == Job(command="train", overrides=("seed=5", "run_dir=here/there"), run_dir=Path("here/there"))


def test_hydra_leaves_nothing_behind_and_stays_where_it_is(own_folder: Path) -> None:
    places: list[Path] = []
    run(lambda config, job: places.append(Path.cwd()), "run_dir=out")
    assert places == [own_folder]
    assert [str(path.relative_to(own_folder)) for path in own_folder.rglob("*")] == ["out", "out/nas.log"]


def test_what_is_said_and_warned_of_is_logged(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def body(config: Config, job: Job) -> None:
        say("[bold]training[/bold]")
        warnings.warn("careful", stacklevel=1)
        logging.getLogger("library").warning("slow")
        with progress_bar("working", total=2) as bar:
            bar.step()
            bar.note("half")
            bar.show(2, 2)

    assert run(body, "run_dir=out") == 0
    log = (own_folder / "out" / "nas.log").read_text()
    assert "nas train run_dir=out" in log
    assert "[bold]training[/bold]" in log
    assert "careful" in log
    assert "library: slow" in log
    shown = capsys.readouterr().out
    assert "[bold]training[/bold]" in shown  # not taken for markup
    assert "working" in shown
    assert "2/2" in shown


def test_a_second_run_adds_to_the_log(own_folder: Path) -> None:
    for text in ("first", "second"):
        run(lambda config, job, text=text: say(text), "run_dir=out")  # type: ignore[misc]
    log = (own_folder / "out" / "nas.log").read_text()
    assert log.index("first") < log.index("second")


def test_a_user_error_is_one_line_and_exit_code_2(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(config: Config, job: Job) -> None:
        (job.run_dir / "result").touch()
        raise UserError("no images in x; add some")

    with pytest.raises(SystemExit) as caught:
        run(body, "run_dir=out")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: no images in x; add some\n"
    assert "ERROR nas: no images in x; add some" in (own_folder / "out" / "nas.log").read_text()


@pytest.mark.parametrize("run_dir", ["out", "runs/deep/out"])
def test_a_job_that_fails_at_once_leaves_nothing_behind(own_folder: Path, run_dir: str) -> None:
    def body(config: Config, job: Job) -> None:
        raise UserError("no")

    with pytest.raises(SystemExit):
        run(body, f"run_dir={run_dir}")
    assert not list(own_folder.iterdir())
    run(lambda config, job: None, f"run_dir={run_dir}")
    with pytest.raises(SystemExit):
        run(body, f"run_dir={run_dir}")
    assert (own_folder / run_dir / "nas.log").read_text().endswith("ERROR nas: no\n")


@pytest.mark.parametrize("run_dir", ["afile", "afile/x", "/proc/x", "locked"])
@pytest.mark.parametrize("flags", [(), ("--multirun", "seed=0,1")])
def test_a_folder_that_cannot_be_written_is_a_user_error(
    own_folder: Path, capsys: pytest.CaptureFixture[str], run_dir: str, flags: tuple[str, ...]
) -> None:
    Path("afile").touch()
    for folder in ("locked", "locked/seed-0", "locked/seed-1"):
        Path(folder, "nas.log").mkdir(parents=True)  # a test may run as root, which may write anywhere
    try:
        code = run(lambda config, job: pytest.fail("it ran"), f"run_dir={run_dir}", *flags)
    except SystemExit as exit_:
        code = int(str(exit_.code))
    assert code == 2
    err = capsys.readouterr().err
    assert re.search(
        rf"^error: cannot write to .*{run_dir}.* \(.*\); name another folder: run_dir=", err, re.MULTILINE
    )
    assert "Traceback" not in err


def test_an_error_of_the_system_in_a_body_is_a_bug(own_folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(lambda config, job: Path("no", "such").mkdir(), "run_dir=out")


def test_a_bug_keeps_its_traceback(own_folder: Path) -> None:
    def body(config: Config, job: Job) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        run(body, "run_dir=out")


def test_a_value_error_of_a_library_is_a_bug_too(own_folder: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        run(lambda config, job: int("x") and None, "run_dir=out")


def test_an_interruption_says_how_to_go_on(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def body(config: Config, job: Job) -> None:
        raise KeyboardInterrupt

    assert run(body, "run_dir=my run") == 130
    assert capsys.readouterr().err == (
        "interrupted; the same command resumes from here: nas train 'run_dir=my run'\n"
    )


@pytest.mark.parametrize("flag", ["--multirun", "-m"])
def test_each_job_of_a_multirun_has_its_own_folder(own_folder: Path, flag: str) -> None:
    seen: dict[int, str] = {}

    def body(config: Config, job: Job) -> None:
        seen[config.seed] = str(job.run_dir)
        assert config.run_dir == str(job.run_dir)

    assert run(body, flag, "seed=0,1", "train.epochs=3", "run_dir=out") == 0
    assert seen == {0: "out/seed-0", 1: "out/seed-1"}


def test_a_command_leaves_command_line_and_environment_as_they_were(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    before = sys.argv, dict(os.environ)
    assert run(lambda config, job: None, "run_dir=out") == 0
    assert (sys.argv, dict(os.environ)) == before
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    run(lambda config, job: None, "run_dir=out")
    assert "HYDRA_FULL_ERROR" not in os.environ


@pytest.mark.parametrize(
    "arguments",
    [
        ("seed=0,1", "run_dir=out", "--multirun"),
        ("seed=0,1", "-m", "run_dir=out"),
        ("--multirun", "seed=0,1", "run_dir=out"),
    ],
)
def test_flags_may_stand_anywhere(own_folder: Path, arguments: tuple[str, ...]) -> None:
    seen: list[tuple[int, str]] = []
    assert run(lambda config, job: seen.append((config.seed, str(job.run_dir))), *arguments) == 0
    assert seen == [(0, "out/seed-0"), (1, "out/seed-1")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("seed=3", "--cfg", "job", "run_dir=out"),
        ("seed=3", "run_dir=out", "-c", "job"),
        ("--cfg=job", "seed=3", "run_dir=out"),
        ("seed=3", "--cfg", "job", "-p", "_global_", "run_dir=out"),
    ],
)
def test_flags_take_their_values_along(
    own_folder: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lambda config, job: pytest.fail("it ran"), *arguments) == 0
    assert re.search(r"^(  )?seed: 3$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ("seed=1 -i", ["-i", "all"]),
        ("-i seed=1", ["-i", "all"]),
        ("--info defaults seed=1", ["--info", "defaults"]),
        ("--info --resolve seed=1", ["--info", "all", "--resolve"]),
        ("seed=1 --cfg", ["--cfg"]),
        ("seed=1 --epochs=3", ["--epochs=3"]),
        ("-cd mine seed=1 -cn nas -h", ["-cd", "mine", "-cn", "nas", "-h"]),
    ],
)
def test_flags_and_overrides_are_told_apart(arguments: str, flags: list[str]) -> None:
    assert split_flags(arguments.split()) == (flags, ["seed=1"])


def test_experiments_of_a_multirun_go_into_their_own_folders(own_folder: Path) -> None:
    folder = own_folder / "conf" / "experiment"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text("# @package _global_\nseed: 1\n")
    seen: list[str] = []
    assert run(lambda config, job: seen.append(str(job.run_dir)), "-m", "experiment=a,b") == 0
    assert seen == ["runs/a", "runs/b"]


def test_a_faulty_job_does_not_stop_the_others(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []

    def body(config: Config, job: Job) -> None:
        if config.seed == 1:
            raise UserError("one is not allowed")
        seen.append(config.seed)

    assert run(body, "-m", "seed=0,1,2", "run_dir=out") == 2
    assert seen == [0, 2]
    assert "error: one is not allowed\n" in capsys.readouterr().err


def test_a_table_is_picked_as_a_device_is(own_folder: Path) -> None:
    seen: list[str | None] = []
    body: Callable[[Config, Job], None] = lambda config, job: seen.append(config.table.name)  # noqa: E731
    run(body, "table=my/table.json", "table.budget=5s", "run_dir=out")
    run(body, "table=laptop", "run_dir=out")
    assert seen == ["my/table.json", "laptop"]


def test_the_command_line_of_the_process_is_left_as_it_was(own_folder: Path) -> None:
    before = list(sys.argv)
    run(lambda config, job: None, "run_dir=out")
    assert sys.argv == before
