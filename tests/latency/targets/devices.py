"""Devices for tests: a real sshd on the loopback interface, and phones behind adb or a stand-in for it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.latency.targets.adb_device import Device
from tests.processes import free_port

SSHD = Path("/usr/sbin/sshd")

SSHD_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
SSH_CONFIG = """
Host pi
  HostName 127.0.0.1
  User {user}
  Port {port}
  IdentityFile {folder}/user_key
Host *
  IdentitiesOnly yes
  BatchMode yes
  StrictHostKeyChecking yes
  UserKnownHostsFile {folder}/known_hosts
"""

ADB = """#!/bin/sh
root='{root}'
if [ "$1" = -s ]; then
  [ "$2" = R58 ] || {{ echo "adb: device '$2' not found" >&2; exit 1; }}
  shift 2
fi
echo "$@" >> "$root/adb.log"
case "$1" in
  push) cp "$2" "$root$3" ;;
  shell) PATH="$root/bin:$PATH" exec sh -c "$(printf %s "$2" | sed "s#/data/#$root/data/#g")" ;;
  *) echo "adb: unknown command $1" >&2; exit 1 ;;
esac
"""
GETPROP = """#!/bin/sh
case "$1" in
  ro.product.manufacturer) echo Example;; ro.product.model) echo Phone 7;; ro.soc.model) echo SM1;;
esac
"""


# The system's adb. Its server sees the phone and nothing else here: no USB, no emulator, no key of the user.
REAL_ADB = """#!/bin/sh
echo "$@" >> '{root}/adb.log'
exec env -i PATH="$PATH" HOME='{home}' TMPDIR='{home}' \\
  ANDROID_ADB_SERVER_PORT={port} ADB_USB=0 ADB_EMU=0 ADB_MDNS=0 {adb} "$@"
"""
# Ends with whoever holds the other end of its input, even if that is killed.
GUARDED = """
"$@" &
read -r _
kill $!
wait $!
"""


@dataclass(frozen=True)
class Phone:
    """A phone that ``adb`` in ``folder/bin`` reaches.

    Attributes:
        root: Its files.
        serial: Its serial number.
        device: What answers the real adb; ``None`` behind the stand-in.
    """

    root: Path
    serial: str
    device: Device | None = None

    @property
    def log(self) -> Path:
        """The arguments of every call of adb, one call a line."""
        return self.root / "adb.log"


@dataclass(frozen=True)
class Sshd:
    """A running server.

    Attributes:
        host: Its name in the client's configuration.
        user: Who may log in.
        port: Its port.
        identity: The key that it accepts.
        known_hosts: The host keys that the client knows.
        pid: Its process; those of sessions are children of it.
    """

    host: str
    user: str
    port: int
    identity: Path
    known_hosts: Path
    pid: int


def write_script(path: Path, text: str) -> Path:
    """Writes a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


@contextmanager
def ssh_server(folder: Path) -> Iterator[Sshd]:
    """Starts sshd with keys of its own; ``ssh`` in ``folder/bin`` knows it as the host ``pi``."""
    if not SSHD.exists() or shutil.which("ssh") is None:
        pytest.skip("no sshd here; `apt-get install openssh-server openssh-client` lets this run")
    if os.geteuid() != 0:
        pytest.skip("sshd starts sessions as root only; run this test as root, e.g. in a container")
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = free_port()
    values = {"folder": folder, "port": port, "user": "root"}
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(**values))
    (folder / "ssh_config").write_text(SSH_CONFIG.format(**values))
    host_key = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    write_script(
        folder / "bin" / "ssh", f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{folder}/ssh_config" "$@"\n'
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    command = [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
    with (folder / "sshd.log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            if not _answers(port, process):
                pytest.skip(f"sshd does not start here; {log.name} says why")
            yield Sshd("pi", "root", port, folder / "user_key", folder / "known_hosts", process.pid)
        finally:
            process.terminate()


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether a server answers within 10 seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


def phone_behind_stand_in(folder: Path) -> Phone:
    """Writes the stand-in for adb, a shell script that copies files and runs scripts here."""
    root = _phone_files(folder)
    write_script(folder / "bin" / "adb", ADB.format(root=root))
    return Phone(root, "R58")


@contextmanager
def phone_behind_adb(folder: Path) -> Iterator[Phone]:
    """Starts a device, and a server of the real adb that knows it alone; both end with the context."""
    if (adb := shutil.which("adb")) is None:
        pytest.skip("no adb here; `apt-get install adb` lets this run")
    device = Device(_phone_files(folder))
    phone = Phone(device.root, f"127.0.0.1:{device.port}", device)
    port, home = free_port(), folder / "home"
    home.mkdir()
    values = {"root": device.root, "home": home, "port": port, "adb": adb}
    client = write_script(folder / "bin" / "adb", REAL_ADB.format(**values))
    command = ["sh", "-c", GUARDED, "sh", str(client), "nodaemon", "server"]
    with (
        (folder / "adb-server.log").open("w") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as process,
    ):
        try:
            assert _answers(port, process), (folder / "adb-server.log").read_text()
            subprocess.run([client, "connect", phone.serial], check=True, capture_output=True)
            phone.log.write_text("")
            yield phone
        finally:
            device.close()
            subprocess.run([client, "kill-server"], check=False, capture_output=True)
            assert process.stdin is not None
            process.stdin.close()


def _phone_files(folder: Path) -> Path:
    root = folder / "phone"
    (root / "data" / "local" / "tmp").mkdir(parents=True)
    write_script(root / "bin" / "getprop", GETPROP)
    return root


def put_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes the programs in a folder be found first."""
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
