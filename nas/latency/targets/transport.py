"""Transports: how another device is reached, by the scheme of its address.

A transport copies a file to the device and runs a shell script there. All else (which files are there
already, what is measured, how it goes on after an interruption) is built on these two, the same for each.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, final

from nas.errors import UserError
from nas.registry import Registry

_SHOWN_LINES = 3


@final
@dataclass(frozen=True, kw_only=True)
class Target:
    """A device that is reached from here.

    Attributes:
        host: Its address: ``user@pi`` (by ssh), ``adb:`` or ``adb:SERIAL``, or ``local:``, another Python on
            this machine.
        port: Port of ssh; by default what ssh's own configuration says.
        identity: File of the key that ssh uses; by default what ssh's own configuration says.
        python: The command that runs Python on the device, with numpy and the runtime.
        folder: Folder on the device, relative to where a session starts; by default the transport's.
        binary: A benchmark program that is brought to a device without Python.
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
        return self.host.rpartition(":")[2]


class Transport(ABC):
    """A way to a device; each is a file of its own and registers itself.

    Args:
        target: The device.

    Raises:
        UserError: If a setting of the target does not fit.
    """

    SCHEME: ClassVar[str]
    FOLDER: ClassVar[str]
    """The folder on the device where none is set."""

    def __init__(self, target: Target) -> None:
        self.name = target.host
        self.folder = target.folder or self.FOLDER
        self.configure(target)

    @abstractmethod
    def configure(self, target: Target) -> None:
        """Takes over the settings; raises a ``UserError`` if one does not fit."""

    @abstractmethod
    def argv(self, script: str) -> list[str]:
        """The command of this machine that runs a shell script on the device."""

    @abstractmethod
    def copy(self, source: Path, target: str) -> None:
        """Copies a file to a path on the device.

        Raises:
            UserError: If it did not arrive.
        """

    @abstractmethod
    def machine(self) -> str:
        """A description of the device, read without Python on it."""

    @abstractmethod
    def advice(self, code: int, message: str) -> str:
        """Advice for a command that ended with ``code``; empty if its own message is enough."""

    def names(self) -> set[str]:
        """The names of the files in the folder on the device, which is made if it does not exist."""
        folder = shlex.quote(self.folder)
        return set(self.stream(f"mkdir -p {folder} && ls {folder}"))

    def push(self, source: Path, name: str) -> None:
        """Copies a file into the folder on the device; under its name it is always complete."""
        path = self.path(name)
        self.copy(source, f"{path}.part")
        self.run(f"mv -f {shlex.quote(path + '.part')} {shlex.quote(path)}")

    def path(self, name: str) -> str:
        """The path on the device of a file in the folder."""
        return f"{self.folder}/{name}"

    def run(self, script: str, *, stdin: Path | None = None) -> list[str]:
        """Runs a shell script on the device and waits for it; the lines that it printed.

        Raises:
            UserError: If it fails; the message repeats that of the device.
        """
        return list(self.stream(script, stdin=stdin))

    def stream(self, script: str, *, stdin: Path | None = None) -> Iterator[str]:
        """Runs a shell script on the device; gives the lines that it prints as they come.

        Args:
            script: The script.
            stdin: A file of this machine that the script reads.

        Raises:
            UserError: If it fails; the message repeats that of the device.
        """
        with ExitStack() as stack:
            source: int | IO[bytes] = subprocess.DEVNULL
            if stdin is not None:
                source = stack.enter_context(stdin.open("rb"))
            faults = stack.enter_context(tempfile.TemporaryFile())
            process = stack.enter_context(self._start(self.argv(script), source, faults))
            stack.callback(process.kill)  # no harm where it has ended; else nobody listens any more
            assert process.stdout is not None
            last = ""
            for line in process.stdout:
                last = line.rstrip("\r\n")
                yield last
            if code := process.wait():
                faults.seek(0)
                raise self._failed(code, faults.read().decode(errors="replace") or last)

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
        found = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        message = "; ".join(found or lines[-_SHOWN_LINES:]) or f"a command ended with exit code {code}"
        advice = self.advice(code, message)
        return UserError(f"{self.name}: {message}" + (f". {advice}" if advice else ""))


_TRANSPORTS: Registry[type[Transport]] = Registry(
    "kind of address",
    package="nas.latency.targets",
    attribute="SCHEME",
    hint="An address of ssh is user@host, without colon",
)
register = _TRANSPORTS.register
"""Class decorator that makes a transport known by its ``SCHEME``."""


def transports() -> tuple[str, ...]:
    """The schemes that there are."""
    return _TRANSPORTS.names()


def open_transport(target: Target) -> Transport:
    """The transport of a target; nothing is sent yet.

    Raises:
        UserError: If there is no such kind, or a setting does not fit.
    """
    return _TRANSPORTS.find(target.scheme)(target)
