"""What a command prints, into streams of other encodings and into pipes that nobody reads any more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas.cli.screen import READER_GONE, USER_ERROR

ROOT = Path(__file__).resolve().parents[2]
PRINTS = r"""
import sys
from nas.cli.bars import progress_bar
from nas.cli.screen import error, say
from nas.cli.screen import standard_streams
with standard_streams():
    say("5 \u00b5s for 3 \u00d7 3 \u2192 done")
    with progress_bar("gr\u00f6\u00dfer", total=1) as bar:
        bar.step()
    print("\u2264", end="")
    error("\u00df is no \u2260")
"""


def run(
    *command: str, cwd: Path = ROOT, stdout: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""} | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        encoding="latin-1",
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252:strict", "utf-8"])
def test_characters_that_the_output_lacks_are_replaced(encoding: str) -> None:
    done = run("-c", PRINTS, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.encode("latin-1").decode(encoding.partition(":")[0])
    assert shown.startswith(
        {
            "ascii": "5 ?s for 3 ? 3 ? done",
            "latin-1": "5 µs for 3 × 3 ? done",
            "cp1252:strict": "5 µs for 3 × 3 ? done",
            "utf-8": "5 µs for 3 × 3 → done",
        }[encoding]
    )
    assert shown.endswith("≤" if encoding == "utf-8" else "?")


def test_a_locale_without_utf_8_is_no_fault() -> None:
    done = run("-c", PRINTS, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 ?s")


def test_a_handler_of_ones_own_is_kept() -> None:
    done = run("-c", PRINTS, PYTHONIOENCODING="ascii:xmlcharrefreplace")
    assert done.stdout.startswith("5 &#181;s")


@pytest.mark.parametrize(
    "arguments",
    ["--help", "train --help", "train --cfg job", "-sc install=bash", "cost network=mobilenet_v2"],
)
def test_a_reader_that_leaves_early_ends_a_command_without_a_word(
    arguments: str, unread_pipe: int, tmp_path: Path
) -> None:
    done = run("-m", "nas.cli", *arguments.split(), stdout=unread_pipe, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (READER_GONE, "")


def test_so_do_the_lines_of_hydras_own_log(unread_pipe: int, tmp_path: Path) -> None:
    done = run("-m", "nas.cli", "train", "--info", stdout=unread_pipe, cwd=tmp_path)
    assert done.stderr == ""


def test_a_broken_pipe_that_is_not_the_output_keeps_its_traceback() -> None:
    code = """
import os
from nas.cli.screen import standard_streams
reading, writing = os.pipe()
os.close(reading)
with standard_streams():
    os.write(writing, b"x")
"""
    done = run("-c", code)
    assert done.returncode == 1
    assert "BrokenPipeError" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", ["--version", "train --help"])
def test_an_output_that_is_full_is_a_fault(arguments: str, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = run("-m", "nas.cli", *arguments.split(), stdout=full.fileno(), cwd=tmp_path)
    assert done.returncode == USER_ERROR
    assert re.fullmatch(r"error: cannot (print|write) \(no space left on device\).*\n", done.stderr)
