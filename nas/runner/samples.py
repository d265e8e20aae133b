"""The file of raw samples: one JSON object per line, appended as each window completes."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .errors import RunnerError
from .protocol import Window

FORMAT = 1
UNIT = "us"
_PATIENCE_S = 3.0
_BEGINNING = b'{"format": '


class SampleFile:
    """An append-only file with a single writing process, which continues the file of a killed one.

    Args:
        path: The file, which is created if missing.
        header: Kit, device and versions of the samples. An existing file must have the same.
        listen: Called with every line of the file: existing ones at once, others as they are written.
        replay: Whether ``listen`` gets the existing lines.

    Raises:
        RunnerError: If another process is measuring into the file, or it belongs to another measurement.
    """

    def __init__(
        self,
        path: Path,
        *,
        header: dict[str, Any],
        listen: Callable[[str], None] = lambda _: None,
        replay: bool = True,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a+b")
        self._listen = listen
        self.windows: list[Window] = []
        try:
            self._go_on(path, {"format": FORMAT, "unit": UNIT, **header}, replay=replay)
        except RunnerError:
            self.close()
            raise

    def _go_on(self, path: Path, header: dict[str, Any], *, replay: bool) -> None:
        """Continues an existing file or begins a new one. Other files are not touched."""
        _lock(self._stream, path)
        existing, self.windows = read_samples(path)
        if existing is None:
            _require_samples(path)
            _drop_cut_off_line(self._stream)
            self._append(header)
            return
        _check_header(existing, header, path)
        _drop_cut_off_line(self._stream)
        for line in path.read_text(encoding="utf-8-sig").splitlines() if replay else ():
            self._listen(line)

    def append(self, window: Window) -> None:
        """Writes one window, which then survives a killed process."""
        value: dict[str, Any] = {
            "entry": window.entry,
            "round": window.round,
            "time": window.start_s,
            "runs": window.runs,
            "samples": window.samples_us,
            "took": window.took_s,
        }
        if window.others_cpus is not None:
            value["others"] = window.others_cpus
        if window.visit:
            value["visit"] = window.visit
        self._append(value)

    def _append(self, value: dict[str, Any]) -> None:
        line = json.dumps(value)
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()
        self._listen(line)

    def close(self) -> None:
        self._stream.close()


def read_samples(path: Path) -> tuple[dict[str, Any] | None, list[Window]]:
    """The header (``None`` if empty) and the windows of a sample file, without a cut-off last line.

    Raises:
        RunnerError: If a line in the middle cannot be read.
    """
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        values = [json.loads(line) for line in lines]
        windows = [parse_window(value) for value in values[1:]]
        header: dict[str, Any] | None = dict(values[0]) if values else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunnerError(f"{path} is damaged ({error!r}); delete it and measure again") from None
    return header, windows


def parse_window(value: dict[str, Any]) -> Window:
    """The window in a line of a sample file."""
    samples = tuple(value["samples"])
    measured = (value["entry"], value["round"], value["time"], value["runs"], samples, value["took"])
    return Window(*measured, others_cpus=value.get("others"), visit=value.get("visit", 0))


def _drop_cut_off_line(stream: IO[bytes]) -> None:
    stream.seek(0)
    content = stream.read()
    stream.truncate(content.rfind(b"\n") + 1)
    stream.seek(0, os.SEEK_END)


def _require_samples(path: Path) -> None:
    """Raises a ``RunnerError`` unless the first line, cut off or not, begins as in a sample file."""
    with path.open("rb") as stream:
        head = stream.read(len(_BEGINNING))
    if not _BEGINNING.startswith(head):
        raise RunnerError(f"{path} holds something other than raw samples; choose another file")


def _check_header(existing: dict[str, Any], header: dict[str, Any], path: Path) -> None:
    for key, value in header.items():
        if existing.get(key) != value:
            raise RunnerError(
                f"{path} was measured with {key} = {existing.get(key)!r}, this is {value!r}; "
                "delete it or choose another file"
            )


def _lock(stream: IO[bytes], path: Path) -> None:
    """Locks the file; waits a little for a process whose parent was killed: it ends with its window."""
    try:
        import fcntl
    except ImportError:  # Windows has no fcntl, so two processes cannot be distinguished
        return
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):  # the file system has no locks
                return
        if time.monotonic() > until:
            raise RunnerError(
                f"another process is measuring into {path}; wait for it, or choose another file"
            )
        time.sleep(0.05)


@contextmanager
def opening(samples: Path, name: str) -> Iterator[None]:
    """Keeps the name of a model in a file while the body opens it, in case the runtime crashes."""
    path = _opening_path(samples)
    path.write_text(name, encoding="utf-8")
    yield
    path.unlink()


def crashed_at(samples: Path) -> str:
    """The model that a process was opening when it ended; empty if it was opening none."""
    try:
        return _opening_path(samples).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _opening_path(samples: Path) -> Path:
    return samples.with_name(f".{samples.name}.opening")
