"""The real adb client and server, with a device on the loopback interface."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.latency.kit.kit import Kit
from nas.latency.targets import Target, Transport, open_transport
from nas.latency.targets.run_kit import run_kit
from tests.latency.targets.adb_device import Device
from tests.latency.targets.devices import Phone, phone_behind_adb, put_on_path, write_script

HOSTILE = [
    "it's",
    'a "b"',
    "$(touch pwned)",
    "`touch pwned`",
    "a; touch pwned",
    "two\nlines",
    "-rf",
    "é, ü,1 *",
]
PERF_TEST = """#!/bin/sh
echo "Average inference time cost: 1.5 ms"
"""


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Phone]:
    with phone_behind_adb(tmp_path) as running:
        put_on_path(monkeypatch, tmp_path / "bin")
        yield running


@pytest.fixture
def device(phone: Phone) -> Device:
    assert phone.device is not None
    return phone.device


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    return write_script(tmp_path / "onnxruntime_perf_test", PERF_TEST)


@pytest.fixture
def reach(phone: Phone, binary: Path) -> Callable[..., Transport]:
    def reach(serial: str = phone.serial, folder: str | None = None) -> Transport:
        return open_transport(Target(host=f"adb:{serial}", folder=folder, binary=binary))

    return reach


def adb(tmp_path: Path, *arguments: str) -> str:
    command = [tmp_path / "bin" / "adb", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def wait_for(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_names_and_nothing_else(
    reach: Callable[..., Transport], phone: Phone, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    transport = reach(folder=f"/data/local/tmp/{name}")
    assert transport.names() == set()
    Path(name).write_bytes(b"content")
    transport.push(Path(name), name)
    assert transport.run(f"cat {shlex.quote(transport.path(name))}") == ["content"]
    assert transport.names() == set(name.split("\n"))
    assert (phone.root / "data" / "local" / "tmp" / name / name).read_bytes() == b"content"
    assert not list(tmp_path.rglob("pwned"))


def test_a_program_and_a_folder_with_hostile_names_measure(kit: Kit, phone: Phone, tmp_path: Path) -> None:
    name = "".join(HOSTILE[:5])
    program = write_script(tmp_path / f"onnxruntime_perf_test {name}", PERF_TEST)
    target = Target(host=f"adb:{phone.serial}", binary=program, folder=f"/data/local/tmp/{name}")
    _, windows = run_kit(kit, tmp_path / "samples.jsonl", target=target)
    assert [window.quiet_us for window in windows] == pytest.approx([1500] * len(windows))


def test_a_connection_that_breaks_at_any_byte_is_no_result(
    reach: Callable[..., Transport], device: Device, tmp_path: Path
) -> None:
    transport = reach()
    script = "echo first; echo 12.345"
    whole = len("first\n12.345\n") + len("hwnas: exit code 0")
    for sent in (0, 3, 6, 8, 11, 13, 20, whole - 1):
        device.left = sent
        with pytest.raises(UserError, match=r"connection to the device broke\. The same command resumes"):
            transport.run(script)
        device.left = None
        adb(tmp_path, "disconnect")
        adb(tmp_path, "connect", transport.name.removeprefix("adb:"))
    assert transport.run(script) == ["first", "12.345"]


def test_measuring_goes_on_after_each_break(
    kit: Kit, phone: Phone, device: Device, binary: Path, tmp_path: Path
) -> None:
    samples, target = tmp_path / "samples.jsonl", Target(host=f"adb:{phone.serial}", binary=binary)
    kept, budget = b"", 300
    messages: list[str] = []
    while True:
        device.left = budget
        try:
            _, windows = run_kit(kit, samples, target=target)
            break
        except UserError as error:
            messages.append(str(error))
        budget *= 2
        content = samples.read_bytes() if samples.exists() else b""
        assert content.startswith(kept) and len(messages) < 20
        kept = content
        adb(tmp_path, "disconnect")
        adb(tmp_path, "connect", phone.serial)
    assert len(messages) > 2 and kept
    assert all(re.search("connection to the device broke|device offline", message) for message in messages)
    assert {window.entry for window in windows} == {entry["id"] for entry in kit.entries}
    assert [window.quiet_us for window in windows] == pytest.approx([1500] * len(windows))


def test_before_android_7_exit_codes_are_known_too(
    reach: Callable[..., Transport], device: Device, tmp_path: Path
) -> None:
    adb(tmp_path, "disconnect")
    device.features = b"cmd"
    adb(tmp_path, "connect", f"127.0.0.1:{device.port}")
    transport = reach()
    assert adb(tmp_path, "shell", "exit 3; true") == ""  # the client hides it
    assert transport.run("echo fine; exit 0") == ["fine"]
    with pytest.raises(UserError, match=r"^adb:127\.0\.0\.1:\d+: the disc is full$"):
        transport.run("echo some; echo 'error: the disc is full' >&2; exit 3")
    with pytest.raises(UserError, match="a command ended with exit code 4"):
        transport.run("exit 4")
    (tmp_path / "a").write_bytes(b"content")
    assert transport.names() == set()
    transport.push(tmp_path / "a", "b")
    assert transport.names() == {"b"}


CONNECT = r"\. Connect it, allow debugging on it, and look at `adb devices`$"


def test_a_device_that_cannot_be_used_is_named_with_what_helps(
    reach: Callable[..., Transport], phone: Phone, device: Device, tmp_path: Path
) -> None:
    def refused(transport: Transport, message: str) -> None:
        with pytest.raises(UserError, match=message) as caught:
            transport.run("true")
        assert "\n" not in str(caught.value)
        with pytest.raises(UserError, match=message) as caught:
            transport.copy(tmp_path / "bin" / "adb", "/data/local/tmp/a")
        assert "\n" not in str(caught.value)

    refused(reach(serial="R58"), "adb:R58: .*device 'R58' not found" + CONNECT)
    other = Device(phone.root)
    adb(tmp_path, "connect", f"127.0.0.1:{other.port}")
    refused(reach(serial=""), "adb:: .*more than one device.*Name its serial number, table.host=adb:SERIAL")
    adb(tmp_path, "disconnect", f"127.0.0.1:{other.port}")
    other.authorized = False
    adb(tmp_path, "connect", f"127.0.0.1:{other.port}")
    refused(reach(serial=f"127.0.0.1:{other.port}"), "device unauthorized.*" + CONNECT)
    adb(tmp_path, "disconnect", f"127.0.0.1:{other.port}")
    other.close()
    device.close()
    wait_for(lambda: "offline" in adb(tmp_path, "devices"))
    refused(reach(), "device offline" + CONNECT)
    adb(tmp_path, "disconnect")
    refused(reach(serial=""), "no devices/emulators found" + CONNECT)


def test_what_cannot_be_copied_is_one_line(reach: Callable[..., Transport], tmp_path: Path) -> None:
    transport = reach(folder="/data/local/none/here")
    (tmp_path / "a").write_bytes(b"content")
    with pytest.raises(UserError, match=r"^adb:\S+: failed to copy .*: No such file or directory$"):
        transport.push(tmp_path / "a", "b")


def test_a_server_that_the_client_has_to_start_is_no_part_of_a_message(
    reach: Callable[..., Transport], phone: Phone, tmp_path: Path
) -> None:
    adb(tmp_path, "kill-server")
    start = time.monotonic()
    with pytest.raises(UserError, match=r"^adb:[\d.:]+: device '[\d.:]+' not found\. Connect it"):
        reach().run("true")
    assert time.monotonic() - start < 60
    adb(tmp_path, "connect", phone.serial)
    assert reach().run("echo hi") == ["hi"]


HOLDER = """
import sys, time
from pathlib import Path
from tests.latency.targets.devices import phone_behind_adb
with phone_behind_adb(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(shutil.which("adb") is None, reason="no adb here; `apt-get install adb` lets this run")
def test_no_server_survives_tests_that_are_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        script = (tmp_path / "bin" / "adb").read_text()
        port = script.partition("ANDROID_ADB_SERVER_PORT=")[2].split()[0]
        assert port != "5037" and servers(port)
        process.send_signal(signal.SIGKILL)
    wait_for(lambda: not servers(port))
    assert (tmp_path / "home" / ".android" / "adbkey").is_file(), "keys lie in a home of the test's own"


def servers(port: str) -> list[str]:
    """The processes of the adb server at a port."""
    listed = subprocess.run(["ps", "eww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"ANDROID_ADB_SERVER_PORT={port}" in line.split()]
