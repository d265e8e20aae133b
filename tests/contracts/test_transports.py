"""What every transport must do: on a real sshd, with the real adb and a stand-in for it, and here."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.latency.targets import Target, Transport, open_transport, transports
from tests.latency.targets.devices import (
    phone_behind_adb,
    phone_behind_stand_in,
    put_on_path,
    ssh_server,
    write_script,
)

STAND_IN = "stand-in for adb"
pytestmark = pytest.mark.parametrize("way", [*transports(), STAND_IN])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("server")
    with ssh_server(folder):
        yield folder


@pytest.fixture
def transport(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Transport]:
    """A way to a device whose folder does not exist yet, and has a blank in its name."""
    with ExitStack() as stack:
        folder = str(tmp_path / "on device")
        if way == "local":
            yield open_transport(Target(host="local:", folder=folder))
            return
        if way == "ssh":
            put_on_path(monkeypatch, request.getfixturevalue("server") / "bin")
            yield open_transport(Target(host="pi", folder=folder))
            return
        if way == STAND_IN:
            phone = phone_behind_stand_in(tmp_path)
        else:
            phone = stack.enter_context(phone_behind_adb(tmp_path))
        put_on_path(monkeypatch, tmp_path / "bin")
        binary = write_script(tmp_path / "onnxruntime_perf_test", "#!/bin/sh\n")
        target = Target(host=f"adb:{phone.serial}", folder="/data/local/tmp/on device", binary=binary)
        yield open_transport(target)


def test_a_pushed_file_arrives_whole_under_its_name(transport: Transport, tmp_path: Path) -> None:
    assert transport.names() == set()
    source = tmp_path / "a file"
    for content in (bytes(range(256)) * 1000, b"shorter"):
        source.write_bytes(content)
        transport.push(source, "it's here")
        assert transport.names() == {"it's here"}
        path = shlex.quote(transport.path("it's here"))
        assert transport.run(f"sha256sum < {path}") == [f"{hashlib.sha256(content).hexdigest()}  -"]


def test_lines_come_as_they_are_printed(transport: Transport, tmp_path: Path) -> None:
    """The script ends once the first line was heard, and says so; kept back, the line would come too late."""
    heard = tmp_path / "heard"
    found = f"[ -e {shlex.quote(str(heard))} ]"
    script = f"echo first; for _ in $(seq 200); do {found} && break; sleep 0.1; done"
    lines = transport.stream(f"{script}; {found} && echo heard || echo 'not heard'")
    assert next(lines) == "first"
    heard.touch()
    assert list(lines) == ["heard"]


def test_a_script_that_fails_is_an_error_with_what_it_said(transport: Transport) -> None:
    lines = transport.stream("echo some; echo 'error: the disc is full' >&2; exit 3")
    assert next(lines) == "some"
    with pytest.raises(UserError, match=f"^{transport.name}: the disc is full$"):
        next(lines)
    with pytest.raises(UserError, match="a command ended with exit code 4"):
        transport.run("exit 4")


def test_a_script_reads_no_terminal(transport: Transport) -> None:
    assert transport.run("cat") == []


def test_whoever_stops_listening_waits_for_nothing(transport: Transport) -> None:
    start = time.monotonic()
    lines = transport.stream("echo first; sleep 20; echo second")
    assert next(lines) == "first"
    lines.close()
    assert time.monotonic() - start < 10


def test_the_machine_is_named(transport: Transport) -> None:
    assert transport.machine().strip()


def test_a_missing_client_is_named(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = transport.argv("true")[0]
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match=f"{program} is not installed here, but .* needs it; install it"):
        transport.run("true")
