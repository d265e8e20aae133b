"""A terminal of 80 columns, a pipe, and a terminal without colours."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from nas.cli import bars
from tests.cli.terminal import COLUMNS, Shown, on_terminal
from tests.test_documents import TINY

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")

LONG = "a_network_with_a_very_long_name_of_its_own-r224-d4-w128-quantised.int8.onnx"

SETTINGS = (*TINY, "experiment=quickstart", "finish.baseline_widths=[0.15]", "export.formats=[onnx]")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shown]:
    """A quickstart in a terminal."""
    folder = tmp_path_factory.mktemp("terminal")
    return folder, on_terminal(["-m", "nas.cli", "run", *SETTINGS, "run_dir=runs/x"], folder=folder)


def test_every_line_fits_and_nothing_is_cut(run: tuple[Path, Shown]) -> None:
    _, shown = run
    assert shown.code == 0, shown.raw[-2000:]
    assert [line for line in shown.lines if len(line) > COLUMNS] == []
    assert "…" not in shown.raw
    names = ["mobilenet_v2_cifar ×0.15 r16", "mobilenet_v2_cifar ×0.15 r24", "winner.onnx"]
    assert [name for name in names if not any(name in line for line in shown.lines)] == []
    code = re.search(r"\br\d\d-d\d:[\w:+@-]+", "\n".join(shown.lines))
    assert code is not None and code[0].count("-d") == 3  # all stages of the winner stand on one line


def test_the_screen_says_what_runs_how_far_and_how_long_to_go(run: tuple[Path, Shown]) -> None:
    _, shown = run
    steps = ("supernet", "table", "search", "scale", "finish", "export")
    for number, step in enumerate(steps, 1):
        beginning = f"step {number} of 6: {step}" + (
            f", then {', '.join(steps[number:])};" if number < 6 else ";"
        )
        assert any(line.startswith(beginning) and line.endswith("so far") for line in shown.lines), step
    assert any(re.fullmatch(r"measuring on .* [━╸╺]+ [\d,]+/[\d,]+ \S+ left", line) for line in shown.lines)
    assert any(re.match(r"  .*best \S+%, front \d", line) for line in shown.lines)
    assert "\x1b[1A" in shown.raw  # bars replace themselves


def test_a_bar_that_begins_again_counts_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a search does for its control; a stopped clock would say *in 0:01* at once."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=COLUMNS)
    monkeypatch.setattr(bars, "CONSOLE", screen)
    with bars.progress_bar("searching") as bar:
        bar.show(4, 4)
        assert "4/4 in 0:00" in shown_by(bar)
        bar.show(1, 4)
        assert "1/4 -:-- left" in shown_by(bar)
        bar.left(2, 4, 83)
        assert "2/4 1:23 left" in shown_by(bar)


def test_a_name_that_does_not_fit_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "CONSOLE", Console(file=io.StringIO(), force_terminal=True, width=COLUMNS))
    with bars.progress_bar(f"training {LONG[:60]}", total=10) as bar:
        lines = shown_by(bar).splitlines()
    assert lines[0].rstrip() == f"training {LONG[:60]}"
    assert lines[1].rstrip().endswith("0/10 -:-- left")


def shown_by(bar: bars.Bar) -> str:
    """What a bar shows now."""
    screen = Console(file=io.StringIO(), width=COLUMNS)
    for each in bar.progress.get_renderables():
        screen.print(each)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_without_colours(run: tuple[Path, Shown], tmp_path: Path) -> None:
    _, shown = run
    assert shown.is_coloured
    settings = [
        "-m",
        "nas.cli",
        "table",
        "space=tiny_24",
        *(each for each in TINY if each.startswith("table.")),
    ]
    plain = on_terminal([*settings, "run_dir=x"], folder=tmp_path, variables={"NO_COLOR": "1"})
    assert plain.code == 0
    assert not plain.is_coloured
    assert any("━" in line for line in plain.lines)


def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    settings = ["space=tiny_24", *(each for each in TINY if each.startswith("table.")), "run_dir=x"]
    command = [sys.executable, "-m", "nas.cli", "table", *settings]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "\x1b" not in process.stdout and "\r" not in process.stdout and "━" not in process.stdout
    assert re.search(r"^measuring on onnxruntime: [\d,]+/[\d,]+ in \d:\d\d$", process.stdout, re.MULTILINE)
    assert re.search(r"^table: 148 blocks in \d+ chains, .{45,}$", process.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", ["short.onnx", LONG])
def test_names_of_measured_files_stay_whole(name: str, run: tuple[Path, Shown], tmp_path: Path) -> None:
    folder, _ = run
    files = []
    for number in range(2):
        files.append(tmp_path / f"{number}{name}")
        files[-1].write_bytes((folder / "runs/x/deploy/winner.onnx").read_bytes())
    listed = f"measure.files=[{','.join(path.name for path in files)}]"
    shown = on_terminal(
        ["-m", "nas.cli", "measure", listed, "measure.budget=2s", "run_dir=x"], folder=tmp_path
    )
    assert shown.code == 0, shown.raw
    assert [line for line in shown.lines if len(line) > COLUMNS] == []
    for path in files:
        [line] = [line for line in shown.lines if path.name in line]
        assert line == path.name if name == LONG else re.search(r"onnx +0\.\d+", line)
