"""Devices at the other end of ssh: a line that breaks again and again, and a disk that fills up there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.latency.kit.kit import Kit
from nas.latency.targets import Target
from nas.latency.targets.run_kit import run_kit
from nas.runner.protocol import Protocol
from nas.runner.samples import read_samples
from tests.latency.targets.devices import put_on_path, write_script

SSH = f"""#!{sys.executable}
# ssh OPTIONS -- ADDRESS SCRIPT, to this machine. The line breaks after so many bytes, each time later.
import os, subprocess, sys
from pathlib import Path

script, budget = sys.argv[-1], Path(__file__).with_name("bytes")
if "--stream" not in script or not budget.exists():
    os.execvp("sh", ["sh", "-c", script])
left = int(budget.read_text())
budget.write_text(str(7 * left // 4))
with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as process:
    while left and (data := process.stdout.read1(left)):
        os.write(1, data)
        left -= len(data)
    if left:
        sys.exit(process.wait())
    process.stdout.close()
os._exit(255)
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A device that is reached by the stand-in for ssh."""
    write_script(tmp_path / "bin" / "ssh", SSH)
    put_on_path(monkeypatch, tmp_path / "bin")
    return Target(host="board", python=sys.executable, folder=str(tmp_path / "device"))


def test_a_line_that_breaks_in_the_middle_of_lines(
    board: Target, write_quick: Callable[..., Kit], tmp_path: Path
) -> None:
    kit, samples = write_quick(tmp_path / "kit"), tmp_path / "samples.jsonl"
    (tmp_path / "bin" / "bytes").write_text("701")
    broken = 0
    kept = b""
    while True:
        try:
            run_kit(kit, samples, target=board)
            break
        except UserError as error:
            message = str(error)
        broken += 1
        assert "No connection, or it broke" in message or "another process is measuring" in message
        assert "{" not in message, "a sample is no message"
        content = samples.read_bytes() if samples.exists() else b""
        assert content.startswith(kept) and (not content or content.endswith(b"\n"))
        kept = content
        assert broken < 20
    assert broken > 2
    [own] = (tmp_path / "device").glob("*.samples.jsonl")
    assert own.read_bytes() == samples.read_bytes()
    windows = [(window.entry, window.round) for window in read_samples(samples)[1]]
    assert len(windows) == len(set(windows))
    assert {entry for entry, _ in windows} == {entry["id"] for entry in kit.entries}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "device"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(f"no file system can be mounted here; root may: {' '.join(mount)}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


LONG = Protocol(sample_ms=0.5, samples=100, min_rounds=8, max_rounds=8)


@pytest.mark.parametrize("lines", [0, 6])
def test_a_disk_that_fills_up_on_the_device(
    board: Target, small_disk: Path, write_quick: Callable[..., Kit], tmp_path: Path, lines: int
) -> None:
    kit, samples = write_quick(tmp_path / "kit", protocol=LONG), tmp_path / "samples.jsonl"
    ballast = small_disk / "ballast"

    def fill() -> None:
        while lines and (not samples.is_file() or samples.read_bytes().count(b"\n") < lines):
            time.sleep(0.005)
        # Piece by piece: the measurement may take some of the room that was free a moment ago.
        with ballast.open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(bytes(1 << 16))

    filler = threading.Thread(target=fill)
    filler.start()
    if not lines:
        filler.join()
    with pytest.raises(UserError, match=r"(?i)^board: .*no space left on device.*make room"):
        run_kit(kit, samples, target=board)
    filler.join()
    kept = samples.read_bytes() if lines else b""
    ballast.unlink()
    run_kit(kit, samples, target=board)
    assert samples.read_bytes().startswith(kept)
    rounds = [(window.entry, window.round) for window in read_samples(samples)[1]]
    assert len(rounds) == len(set(rounds))
    assert {round_ for _, round_ in rounds} >= set(range(8))
