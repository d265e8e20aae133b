"""Measuring with several threads: in a process of its own, whose sessions share them."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.hardware import Device
from nas.latency.kit.kit import write_kit
from nas.latency.kit.packing import RUNNER
from nas.latency.plan.entries import KitNetwork
from nas.latency.plan.probes import plan_probes
from nas.latency.targets.process import measure_in_process
from nas.latency.targets.run_kit import run_kit
from nas.runner.errors import RunnerError
from nas.runner.protocol import Protocol
from nas.runner.samples import read_samples

QUICK = Protocol(sample_ms=1.0, samples=2, turns=4, min_rounds=2, max_rounds=2)


def kit_of(space, folder, *, blocks=5, threads=2):
    network = space.network(space.largest(), classes=10)
    return write_kit(
        folder / "kit",
        device=Device(name="here", threads=threads).here(),
        probes=plan_probes(network.blocks[:blocks], input_channels=space.input_channels),
        networks=[KitNetwork("network-0", "network", network)],
        protocol=QUICK,
    )


@pytest.fixture
def kit(small_space, tmp_path):
    return kit_of(small_space, tmp_path)


def test_chains_take_turns_with_several_threads(kit, tmp_path):
    said = []
    _, windows = run_kit(kit, tmp_path / "samples.jsonl", progress=said.append)
    roles = {entry["id"]: entry["role"] for entry in kit.entries}
    assert {window.entry for window in windows} == set(roles)
    assert {window.runs for window in windows if roles[window.entry] == "probe"} == {1}
    assert max(window.runs for window in windows if roles[window.entry] == "network") > 1
    assert said[-1].done == said[-1].total > 0


def test_what_was_measured_stays(kit, tmp_path):
    samples = tmp_path / "samples.jsonl"
    run_kit(kit, samples, progress=lambda _: None)
    lines = samples.read_bytes().splitlines(keepends=True)
    samples.write_bytes(b"".join(lines[:6]) + lines[6][:9])  # cut off in a line
    _, windows = run_kit(kit, samples, progress=lambda _: None)
    assert samples.read_bytes().startswith(b"".join(lines[:6]))
    assert {window.entry for window in windows} == {entry["id"] for entry in kit.entries}


def test_the_users_mistakes_are_told_as_elsewhere(kit, tmp_path):
    (kit.folder / kit.entries[-1]["file"]).write_bytes(b"something else")
    with pytest.raises(UserError, match=r"^[^:]*was changed after the kit was written; write the kit again$"):
        run_kit(kit, tmp_path / "samples.jsonl", progress=lambda _: None)


CRASHES = """
import os, sys
from pathlib import Path
Path(sys.argv[2]).with_name(".samples.jsonl.opening").write_text("a7")
os.kill(os.getpid(), 11)
"""


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", "ended with exit code -9; the same command resumes"),
        (
            CRASHES,
            "ended with exit code -11 while it opened a7; the same command resumes from here",
        ),
        ("raise MemoryError", "ended with exit code 1: MemoryError; the same command resumes"),
    ],
)
def test_a_process_that_dies_is_told(tmp_path, program, message):
    (tmp_path / RUNNER).write_text(program, encoding="utf-8")
    with pytest.raises(RunnerError, match=message):
        measure_in_process(tmp_path, tmp_path / "samples.jsonl", progress=lambda _: None)


def test_what_a_library_prints_is_passed_over(tmp_path):
    said = []
    program = """print('** EP Error **'); print('{"progress": [1, 2, 3.0, ""]}'); print('7')"""
    (tmp_path / RUNNER).write_text(program, encoding="utf-8")
    measure_in_process(tmp_path, tmp_path / "samples.jsonl", progress=said.append)
    assert [(each.done, each.total) for each in said] == [(1, 2)]


def test_an_interrupted_process_interrupts(tmp_path):
    (tmp_path / RUNNER).write_text("raise SystemExit(130)", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        measure_in_process(tmp_path, tmp_path / "samples.jsonl", progress=lambda _: None)


def test_an_interrupted_listener_leaves_no_process(kit, tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_kit(kit, tmp_path / "samples.jsonl", progress=stop)
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(kit.folder / RUNNER) not in left
    read_samples(tmp_path / "samples.jsonl")


COUNT = """
import json, os, sys
from pathlib import Path
from nas.runner.runtimes import claim_process, open_runtime

kit = Path(sys.argv[1])
manifest = json.loads((kit / "manifest.json").read_text())
if sys.argv[2] == "claimed":
    claim_process(manifest["device"])
runtime = open_runtime(manifest["device"])
runtime.open(kit / manifest["entries"][0]["file"])  # what the library starts once
counts, models = [], []
for _ in range(3):
    models.append(runtime.open(kit / manifest["entries"][0]["file"]))
    counts.append(len(os.listdir("/proc/self/task")))
print(json.dumps([counts, runtime.open_at_once]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted where Linux lists them")
def test_sessions_share_their_threads_in_a_process_that_does_nothing_else(kit):
    def threads(how):
        command = [sys.executable, "-c", COUNT, str(kit.folder), how]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    (shared, open_at_once), (own, one) = threads("claimed"), threads("unclaimed")
    assert len(set(shared)) == 1 and open_at_once > 1
    assert own == [own[0], own[0] + 1, own[0] + 2] and one == 1


LISTENER = """
import subprocess, sys
process = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE)
print(process.pid, flush=True)
for _ in process.stdout:
    pass
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="sees in Linux's /proc what runs")
def test_a_runner_whose_listener_was_killed_takes_no_further_visit(write_quick, tmp_path):
    visits = Protocol(
        sample_ms=0.05, samples=2, min_rounds=4, max_rounds=4, visits=2, spread_s=1e4, budget_s=1e6
    )
    kit, samples = write_quick(tmp_path / "kit", protocol=visits), tmp_path / "samples.jsonl"
    words = [str(kit.folder / RUNNER), str(kit.folder), str(samples), "--raw", "--stream"]
    listener = subprocess.Popen([sys.executable, "-c", LISTENER, *words], stdout=subprocess.PIPE, text=True)
    pid = int(listener.stdout.readline())
    done = [entry["id"] for entry in kit.entries if entry["role"] != "reference"]
    wait_for(lambda: samples.exists() and Counter(entries(samples)) >= Counter(2 * done))
    wait_for(lambda: not Path(f"/proc/{pid}/task/{pid}/children").read_text())  # it waits for the second
    listener.kill()
    listener.communicate()
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    windows = read_samples(samples)[1]
    assert {window.visit for window in windows} == {0}


def entries(samples):
    return [window.entry for window in read_samples(samples)[1]]


def wait_for(condition, *, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
