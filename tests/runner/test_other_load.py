"""What other programs use of the machine, from the system's counters."""

import os
import time
from pathlib import Path

import pytest

from nas.runner.other_load import OtherPrograms, busy_seconds
from tests.runner.busy import busy_program

LINUX = pytest.mark.skipif(not Path("/proc/stat").is_file(), reason="the system does not say; Linux does")


def stat(*, first=0, second=0):
    """The text of /proc/stat after so many ticks of two CPUs; columns as in proc(5)."""
    waiting = "999 55"
    lines = (
        f"cpu  1 2 3 {waiting} 4 5 6 0 0",
        f"cpu0 {first} 0 0 {waiting} 0 0 0 0 0",
        f"cpu1 0 {second} 1 {waiting} 2 3 4 0 0",
        "intr 5",
    )
    return "\n".join(lines)


def test_busy_is_all_but_waiting_of_the_cpus_that_may_be_used(monkeypatch):
    hertz = os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert busy_seconds(stat(first=200, second=90)) == pytest.approx((200 + 90 + 1 + 2 + 3 + 4) / hertz)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert busy_seconds(stat(first=200, second=90)) == pytest.approx(200 / hertz)
    assert busy_seconds("") is None


def test_what_this_process_uses_is_not_that_of_others():
    now = {"clock": 0.0, "busy": 10.0, "own": 3.0}
    others = OtherPrograms(busy_s=lambda: now["busy"], own_s=lambda: now["own"], clock=lambda: now["clock"])
    now.update(clock=0.1, busy=10.1)
    assert others.cpus() is None, "too early"
    now.update(clock=2.0, busy=13.0, own=5.0)
    assert others.cpus() == 0.5
    now.update(clock=4.0, busy=14.9, own=7.0)
    assert others.cpus() == 0.0, "counters are coarse"
    assert OtherPrograms(busy_s=lambda: None, clock=lambda: now["clock"]).cpus() is None


@LINUX
def test_a_busy_loop_is_seen():
    others = OtherPrograms()
    with busy_program():
        time.sleep(0.6)
        assert others.cpus() > 0.25
