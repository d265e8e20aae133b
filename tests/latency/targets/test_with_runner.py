"""Measuring with the runner that a kit carries: over a real sshd, and in another process of this machine."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.hardware import describe_machine
from nas.latency import load_table
from nas.latency.costs.from_samples import table_from_samples
from nas.latency.targets import Target
from nas.latency.targets.run_kit import run_kit
from nas.runner.protocol import Protocol
from nas.runner.samples import read_samples
from tests.latency.targets.devices import put_on_path, write_script

SLOW = Protocol(sample_ms=5.0, samples=10, min_rounds=8, max_rounds=8)


@pytest.fixture
def local(tmp_path):
    return Target(host="local:", python=sys.executable, folder=str(tmp_path / "device"))


@pytest.fixture
def pi(server, tmp_path, monkeypatch):
    """A device on the other side of ssh, known to the user's configuration by its name."""
    put_on_path(monkeypatch, server.identity.parent / "bin")
    return Target(host="pi", python=sys.executable, folder=str(tmp_path / "device"))


def files(target):
    return {path.name.split("-")[0] + path.suffix for path in Path(target.folder).iterdir()}


def test_a_device_is_measured_over_ssh(kit, pi, tmp_path):
    told = []
    run_kit(kit, tmp_path / "samples.jsonl", target=pi, progress=told.append)
    header, windows = read_samples(tmp_path / "samples.jsonl")
    assert {window.entry for window in windows} == {entry["id"] for entry in kit.entries}
    assert told[-1].done == told[-1].total == 2 * 4
    table = table_from_samples(kit.manifest, header=header, windows=windows)
    assert (table.name, table.space) == ("small-board", "small")
    assert table.device.machine == describe_machine()
    assert table.device.runtime_version
    # What the device keeps is its own samples and result: a table too. The kit is gone.
    assert files(pi) == {"measure.pyz", "table.json", "table.jsonl"}
    [far] = (tmp_path / "device").glob("table-*.json")
    assert load_table(far) == table
    [own] = (tmp_path / "device").glob("*.samples.jsonl")
    assert own.read_bytes() == (tmp_path / "samples.jsonl").read_bytes()


def test_port_and_key_are_those_of_the_settings(kit, server, tmp_path, monkeypatch):
    options = f"-o UserKnownHostsFile={server.known_hosts} -o StrictHostKeyChecking=yes -o BatchMode=yes"
    program = shutil.which("ssh")
    write_script(tmp_path / "bin" / "ssh", f'#!/bin/sh\nexec {program} -F none {options} "$@"\n')
    put_on_path(monkeypatch, tmp_path / "bin")
    target = Target(
        host=f"{server.user}@127.0.0.1",
        port=server.port,
        identity=server.identity,
        python=sys.executable,
        folder=str(tmp_path / "device"),
    )
    run_kit(kit, tmp_path / "samples.jsonl", target=target)
    assert read_samples(tmp_path / "samples.jsonl")[1]


def test_an_unknown_host_key_is_refused_by_ssh_itself(kit, pi, server, tmp_path):
    known = server.known_hosts.read_text()
    server.known_hosts.write_text("")
    try:
        with pytest.raises(UserError, match=r"^pi: .*Host key verification failed.*`ssh pi` works by itself"):
            run_kit(kit, tmp_path / "samples.jsonl", target=pi)
    finally:
        server.known_hosts.write_text(known)


def test_a_connection_that_breaks_is_gone_on_with(write_quick, pi, server, tmp_path):
    kit = write_quick(tmp_path / "slow", protocol=SLOW)
    samples = tmp_path / "samples.jsonl"
    breaker = threading.Thread(target=break_connection, args=(samples, server.pid))
    breaker.start()
    with pytest.raises(UserError, match=r"No connection, or it broke: .* the same command resumes where it"):
        run_kit(kit, samples, target=pi)
    breaker.join()
    kept = samples.read_bytes()
    assert kept.count(b"\n") > 5
    retry(lambda: run_kit(kit, samples, target=pi))
    content = samples.read_bytes()
    assert content.startswith(kept)
    rounds = {json.loads(line)["round"] for line in content.splitlines()[1:]}
    assert rounds >= set(range(8))


def break_connection(samples, server):
    """Ends the server's side of the connection once some samples have come."""
    while not samples.is_file() or samples.read_bytes().count(b"\n") < 8:
        time.sleep(0.02)
    listed = ["ps", "-o", "pid=", "--ppid", str(server)]
    [session] = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(session), signal.SIGTERM)


def retry(action, *, seconds=20):
    """Until the runner on the device has noticed that nobody listens, it holds its file."""
    end = time.monotonic() + seconds
    while True:
        try:
            return action()
        except UserError as error:
            if "another process is measuring into" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.2)


def test_what_is_measured_already_is_not_measured_again(kit, local, tmp_path):
    samples = tmp_path / "samples.jsonl"
    run_kit(kit, samples, target=local)
    before = read_samples(samples)[1]
    run_kit(kit, samples, target=local)
    assert read_samples(samples)[1] == before


def test_a_device_that_was_cleaned_gets_the_samples_back(kit, local, tmp_path):
    samples = tmp_path / "samples.jsonl"
    run_kit(kit, samples, target=local)
    lines = samples.read_bytes().splitlines(keepends=True)
    samples.write_bytes(b"".join(lines[:4]))
    shutil.rmtree(tmp_path / "device")
    run_kit(kit, samples, target=local)
    assert samples.read_bytes().startswith(b"".join(lines[:4]))
    assert {window.entry for window in read_samples(samples)[1]} == {entry["id"] for entry in kit.entries}


def test_samples_that_differ_from_the_device_s_are_refused(kit, local, tmp_path):
    samples = tmp_path / "samples.jsonl"
    run_kit(kit, samples, target=local)
    lines = samples.read_text().splitlines()
    lines[2] = lines[2].replace('"runs": ', '"runs": 1')
    samples.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="differs from the device's own file in sample 2; delete one of them"):
        run_kit(kit, samples, target=local)


def test_samples_of_another_kit_are_refused(kit, write_quick, local, tmp_path):
    samples = tmp_path / "samples.jsonl"
    run_kit(kit, samples, target=local)
    other = write_quick(tmp_path / "other", batch=2)
    shutil.rmtree(tmp_path / "device")
    with pytest.raises(UserError, match="was measured with kit = "):
        run_kit(other, samples, target=local)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"machine": "Pi 5"}, "the kit is for Pi 5, but this is "),
        ({"runtime_version": "0.1"}, r"the kit is for onnxruntime 0\.1, but .* is installed"),
        ({"provider": "NoSuchProvider"}, "this onnxruntime has no provider 'NoSuchProvider'"),
    ],
)
def test_what_the_device_says_is_repeated(write_quick, local, tmp_path, fields, message):
    kit = write_quick(tmp_path / "other", **fields)
    with pytest.raises(UserError, match=f"^local:: {message}"):
        run_kit(kit, tmp_path / "samples.jsonl", target=local)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("no-such-python", r"not found.*table\.remote\.python=PATH"),
        (f"{sys.executable} -S", "numpy is not installed here; pip install numpy"),
        ("true", "the device printed no samples; measure again"),
    ],
)
def test_a_python_that_does_not_do_is_told(kit, local, tmp_path, python, message):
    target = dataclasses.replace(local, python=python)
    with pytest.raises(UserError, match=message):
        run_kit(kit, tmp_path / "samples.jsonl", target=target)


def test_a_runner_that_is_killed_there_says_so(kit, local, tmp_path):
    script = """#!/bin/sh\necho '{"format": 1, "kit": "x"}'\nkill -9 $$\n"""
    killed = write_script(tmp_path / "killed", script)
    with pytest.raises(
        UserError, match=r"^local:: a command ended with exit code -9\. .*; the same command resumes where"
    ):
        run_kit(kit, tmp_path / "samples.jsonl", target=dataclasses.replace(local, python=str(killed)))


def test_what_a_login_prints_is_no_sample(kit, local, tmp_path):
    script = f"#!/bin/sh\necho welcome\necho '{{ten users}}'\nexec {sys.executable} \"$@\"\n"
    greeting = write_script(tmp_path / "greeting", script)
    run_kit(kit, tmp_path / "samples.jsonl", target=dataclasses.replace(local, python=str(greeting)))
    assert read_samples(tmp_path / "samples.jsonl")[1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": "-oProxyCommand=x"}, r"table\.host is '-oProxyCommand=x'; name a host of ssh"),
        ({"host": ""}, r"table\.host is ''; name a host"),
        ({"host": "a b"}, r"table\.host is 'a b'"),
        ({"host": "ftp:pi"}, "unknown kind of address 'ftp'; allowed: adb, local, ssh. An address of ssh is"),
        ({"host": "pi", "identity": "none"}, r"table\.remote\.identity: there is no file .*none"),
    ],
)
def test_an_address_that_is_none_is_refused(kit, tmp_path, fields, message):
    if "identity" in fields:
        fields = {**fields, "identity": tmp_path / fields["identity"]}
    with pytest.raises(UserError, match=message):
        run_kit(kit, tmp_path / "samples.jsonl", target=Target(**fields))
