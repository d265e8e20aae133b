"""Transports: ways to reach another device, by the scheme of its address.

A transport copies a file to the device and runs a shell script there. Everything else (finding existing
files, measuring, continuing after an interruption) is built on these two and common to all transports.
"""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, final

from nas.errors import UserError
from nas.registry import Registry

_SHOWN_LINES = 3
_SIGNALLED = 128  # a shell adds the number of the signal that ended a command
_RESUMES = "It was ended from outside, or crashed; the same command resumes where it stopped"


@final
@dataclass(frozen=True, kw_only=True)
class Target:
    """A device that this machine can reach.

    Attributes:
        host: Its address: ``user@pi`` (by ssh), ``adb:`` or ``adb:SERIAL``, or ``local:``, another Python on
            this machine.
        port: Port of ssh; by default that of ssh's configuration.
        identity: Key file of ssh; by default that of ssh's configuration.
        python: The command for Python on the device, with numpy and the runtime.
        folder: Folder on the device, relative to the start of a session; by default the transport's.
        binary: A benchmark program to copy to a device without Python.
    """

    host: str
    port: int | None = None
    identity: Path | None = None
    python: str = "python3"
    folder: str | None = None
    binary: Path | None = None

    @property
    def scheme(self) -> str:
        """The kind of transport."""
        return self.host.partition(":")[0] if ":" in self.host else "ssh"

    @property
    def address(self) -> str:
        """The address without the scheme."""
        return self.host.partition(":")[2] if ":" in self.host else self.host


class Transport(ABC):
    """A way to reach a device. Each is a file that registers itself.

    Args:
        target: The device.

    Raises:
        UserError: If a setting of the target does not fit.
    """

    SCHEME: ClassVar[str]
    FOLDER: ClassVar[str]
    """The default folder on the device."""

    def __init__(self, target: Target) -> None:
        self.name = target.host
        self.folder = target.folder or self.FOLDER
        if self.folder.startswith("-"):
            self.folder = f"./{self.folder}"  # a folder, not an option
        self.configure(target)

    @abstractmethod
    def configure(self, target: Target) -> None:
        """Applies the settings; raises a ``UserError`` if one does not fit."""

    @abstractmethod
    def argv(self, script: str) -> list[str]:
        """The command on this machine that runs a shell script on the device."""

    @abstractmethod
    def copy(self, source: Path, target: str) -> None:
        """Copies a file to a path on the device.

        Raises:
            UserError: If copying fails.
        """

    @abstractmethod
    def machine(self) -> str:
        """A description of the device, read without Python on it."""

    @abstractmethod
    def advice(self, code: int, message: str) -> str:
        """Advice for a command that ended with ``code``; empty if its own message is enough."""

    def names(self) -> set[str]:
        """The names of the files in the device's folder, which is created if missing."""
        folder = shlex.quote(self.folder)
        return set(self.stream(f"mkdir -p {folder} && ls {folder}"))

    def push(self, source: Path, name: str) -> None:
        """Copies a file into the device's folder. A file with its final name is always complete."""
        path = self.path(name)
        self.copy(source, f"{path}.part")
        self.run(f"mv -f {shlex.quote(path + '.part')} {shlex.quote(path)}")

    def path(self, name: str) -> str:
        """The path on the device of a file in the folder."""
        return f"{self.folder}/{name}"

    def run(self, script: str, *, stdin: Path | None = None) -> list[str]:
        """Runs a shell script on the device, waits for it and returns the printed lines.

        Raises:
            UserError: If it fails. The message repeats the device's.
        """
        return list(self.stream(script, stdin=stdin))

    def stream(self, script: str, *, stdin: Path | None = None) -> Generator[str, None, None]:
        """Runs a shell script on the device and yields the printed lines as they arrive.

        Args:
            script: The script.
            stdin: A file on this machine that the script reads.

        Raises:
            UserError: If it fails. The message repeats the device's.
        """
        with ExitStack() as stack:
            source: int | IO[bytes] = subprocess.DEVNULL
            if stdin is not None:
                source = stack.enter_context(stdin.open("rb"))
            faults = stack.enter_context(tempfile.TemporaryFile())
            process = stack.enter_context(self._start(self.argv(script), source, faults))
            stack.callback(
                process.kill
            )  # harmless if it has ended; otherwise nobody reads its output any more
            assert process.stdout is not None
            last: deque[str] = deque(maxlen=_SHOWN_LINES)
            for line in process.stdout:
                last.append(line.rstrip("\r\n"))
                yield last[-1]
            if code := process.wait():
                faults.seek(0)
                printed = "\n".join(
                    line for line in last if not line.startswith("{")
                )  # samples are no message
                raise self._failed(code, faults.read().decode(errors="replace") or printed)

    def _start(self, argv: list[str], stdin: int | IO[bytes], stderr: IO[bytes]) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                argv, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace"
            )
        except FileNotFoundError:
            raise UserError(
                f"{argv[0]} is not installed here, but {self.name} needs it; install it"
            ) from None

    def _failed(self, code: int, printed: str) -> UserError:
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        message = "; ".join(errors or lines[-_SHOWN_LINES:]) or f"a command ended with exit code {code}"
        advice = self.advice(code, message) or (_RESUMES if code < 0 or code > _SIGNALLED else "")
        if os.strerror(errno.ENOSPC) in message and "make room" not in message:
            advice = "Make room there; the same command resumes where it stopped"
        return UserError(f"{self.name}: {message}" + (f". {advice}" if advice else ""))


_TRANSPORTS: Registry[type[Transport]] = Registry(
    "kind of address",
    package="nas.latency.targets",
    attribute="SCHEME",
    hint="An address of ssh is user@host, without colon",
)
register = _TRANSPORTS.register
"""Class decorator that registers a transport under its ``SCHEME``."""


def transports() -> tuple[str, ...]:
    """All registered schemes."""
    return _TRANSPORTS.names()


def open_transport(target: Target) -> Transport:
    """The transport of a target. Nothing is sent yet.

    Raises:
        UserError: If there is no such kind, or a setting does not fit.
    """
    return _TRANSPORTS.find(target.scheme)(target)
