"""Python environments for converters whose packages do not fit into the project's own.

An environment is created once, in the user's cache folder, and kept. A file that is written last marks a
complete one; what an interrupted installation leaves is removed by the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, final

from nas.errors import UserError
from nas.files import cache_folder, write_json
from nas.locks import locked

COMPLETE = "complete.json"
TIMEOUT_S = 3600.0
_SHOWN = 300


@final
@dataclass(frozen=True, kw_only=True)
class Environment:
    """A Python environment with pinned packages.

    Attributes:
        name: Its name.
        requirements: What pip installs; the first is the converter.
        download_mb: Megabytes that pip downloads.
        disk_mb: Megabytes on the disk.
    """

    name: str
    requirements: tuple[str, ...]
    download_mb: int
    disk_mb: int

    @property
    def folder(self) -> Path:
        """Its folder, another one for other requirements, versions of Python or machines."""
        about = [self.requirements, sys.version_info[:2], sys.platform, platform.machine()]
        key = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
        return cache_folder() / "environments" / f"{self.name}-{key}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def is_complete(self) -> bool:
        """Whether it is installed."""
        return (self.folder / COMPLETE).is_file()

    def describe(self) -> str:
        """Describes what is installed, where, and how large it is."""
        return (
            f"{', '.join(self.requirements)} in an environment of their own, {self.folder} (downloads "
            f"{self.download_mb:,} MB, takes {self.disk_mb:,} MB)"
        )

    def install(self, *, log: Path) -> None:
        """Installs the environment unless it is here. Another process that installs it is waited for.

        Args:
            log: File for the output of pip.

        Raises:
            UserError: If the installation fails, or its folder cannot be written or is too small.
        """
        if self.is_complete:
            return
        with self._lock() as stream:
            if not self.is_complete:  # another process may have installed it meanwhile
                self._install(log, stream)

    @contextmanager
    def _lock(self) -> Iterator[IO[bytes]]:
        path = self.folder.with_name(f"{self.folder.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("ab")
        except OSError as error:
            raise UserError(
                f"{path.parent} cannot be written ({error.strerror}); set XDG_CACHE_HOME to another folder"
            ) from None
        with stream, locked(stream):
            yield stream

    def _install(self, log: Path, lock: IO[bytes]) -> None:
        self._check_room()
        log.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        pip = [str(self.python), "-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        try:
            with log.open("wb") as stream:
                for command in ([sys.executable, "-m", "venv", str(self.folder)], [*pip, *self.requirements]):
                    self._run(command, stream, log, lock)
            write_json(self.folder / COMPLETE, {"requirements": self.requirements})
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _check_room(self) -> None:
        free_mb = shutil.disk_usage(self.folder.parent).free / 1e6
        if free_mb < self.disk_mb:
            raise UserError(
                f"the converter's environment takes {self.disk_mb:,} MB, but {self.folder.parent} has "
                f"{free_mb:,.0f} MB left; make room there, or set XDG_CACHE_HOME to another folder"
            )

    def _run(self, command: list[str], stream: IO[bytes], log: Path, lock: IO[bytes]) -> None:
        """Runs a command. It inherits the lock, and so holds it if this process is killed first."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            pass_fds=(lock.fileno(),) if os.name == "posix" else (),
        )
        try:
            code: int | None = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0:
            fault = _last_line(log)
            if code is None or code < 0:
                fault = f"it took more than {TIMEOUT_S:.0f} s" if code is None else "it was killed"
            raise UserError(
                f"the environment of {self.requirements[0]} was not installed ({fault}); nothing of it is "
                f"left, and the output is in {log}"
            )


def _last_line(log: Path) -> str:
    """The error in the output of pip, or else its last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    lines = [line for line in lines if line]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["no output"])[-1].removeprefix("ERROR: ")[:_SHOWN]
