"""What a machine is called, and whether it is known to be emulated."""

import platform

import pytest

from nas.runner import machine

QEMU_ARM = (
    "processor\t: 0\nmodel name\t: ARMv8 Processor rev 0 (v8l)\nCPU implementer\t: 0x00\nCPU part\t: 0x051\n"
)
CORTEX_A72 = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\nModel\t\t: Raspberry Pi 4\n"
EPYC = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\n"
QEMU_X86 = EPYC.replace("AMD EPYC", "QEMU TCG CPU version 2.5+")


@pytest.mark.parametrize(
    ("architecture", "kernel", "cpuinfo", "emulated"),
    [
        ("x86_64", "x86_64\n", EPYC, False),
        ("x86_64", "", EPYC, False),  # before Linux 6.1, which does not name it
        ("i686", "x86_64\n", EPYC, False),  # 32 bits on a kernel of 64
        ("aarch64", "aarch64\n", CORTEX_A72, False),
        ("armv7l", "aarch64\n", CORTEX_A72, False),
        ("armv8l", "aarch64\n", CORTEX_A72, False),
        ("arm64", "", "", False),  # macOS
        ("aarch64", "x86_64\n", CORTEX_A72, True),  # QEMU in user mode, QEMU_CPU=cortex-a72
        ("aarch64", "", QEMU_ARM, True),
        ("aarch64", "aarch64\n", QEMU_ARM, True),  # a whole machine
        ("x86_64", "aarch64\n", EPYC, True),
        ("x86_64", "x86_64\n", QEMU_X86, True),
        ("riscv64", "x86_64\n", "", True),
    ],
)
def test_an_emulated_machine_says_so(monkeypatch, architecture, kernel, cpuinfo, emulated):
    files = {"/proc/sys/kernel/arch": kernel, "/proc/cpuinfo": cpuinfo}
    monkeypatch.setattr(machine, "_text", lambda path: files.get(path, ""))
    monkeypatch.setattr(platform, "machine", lambda: architecture)
    described = machine.describe_machine()
    assert machine.names_emulated(described) is emulated
    assert described.endswith(f" cores, {architecture}" + (", emulated" if emulated else ""))
