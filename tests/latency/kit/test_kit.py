"""Kits: what is written, read and refused."""

import dataclasses
import json
import os
import platform
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest

from nas.errors import UserError
from nas.files import sha256
from nas.hardware import Device
from nas.latency.kit import precision
from nas.latency.kit.kit import write_kit
from nas.latency.kit.operators import optimised_operators
from nas.latency.kit.packing import pack_folder
from nas.latency.plan.entries import KitNetwork
from nas.latency.plan.probes import plan_probes
from nas.network import NetworkSpec
from nas.quantization import insert_pairs
from nas.runner.__main__ import main
from nas.runner.errors import RunnerError
from nas.runner.measure import check_files, content_hash, measure_kit, read_manifest
from nas.runner.protocol import Protocol
from nas.runner.runtimes import Runtime, open_runtime
from nas.runner.samples import read_samples
from nas.runner.unpack import kit_folder

QUICK = Protocol(sample_ms=0.05, samples=2, min_rounds=2, max_rounds=2)


@pytest.fixture
def network(small_space):
    return small_space.network(small_space.smallest(), classes=10)


def write(folder, network, **fields):
    return write_kit(
        folder,
        device=Device(name="local", **fields).here(),
        probes=plan_probes(network.blocks[:2], input_channels=3),
        networks=[KitNetwork("network-0", "validation", network)],
        protocol=QUICK,
    )


def checked(folder):
    """The manifest of a kit whose files are as they were written."""
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    return manifest


@pytest.fixture
def kit(tmp_path, network):
    return write(tmp_path / "kit", network)


def test_a_kit_says_what_it_holds(kit, network):
    assert checked(kit.folder) == kit.manifest
    assert [entry["role"] for entry in kit.entries] == ["reference"] * 4 + ["probe"] * 4 + ["validation"]
    for entry in kit.entries:
        assert sha256(kit.folder / entry["file"]) == entry["sha256"]
    assert kit.entries[-2]["target"] == [network.blocks[1].key]
    assert NetworkSpec.from_dict(kit.entries[-1]["network"]) == network
    assert kit.device == Device(name="local").here()


def test_equal_arguments_give_an_equal_kit(kit, network, tmp_path):
    assert write(tmp_path / "again", network).manifest == kit.manifest


def test_a_kit_that_is_written_again_keeps_the_kernels_that_a_runtime_chose(kit, network):
    cache, other = (kit.folder / "models" / name for name in ("tensorrt-10.0.cache", "of-another-kit.onnx"))
    cache.write_bytes(b"kernels")
    other.write_bytes(b"")
    write(kit.folder, network)
    assert cache.read_bytes() == b"kernels" and not other.exists()


def test_a_changed_kit_is_refused(kit):
    path = kit.folder / kit.entries[0]["file"]
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RunnerError, match="was changed after the kit was written; write the kit again"):
        checked(kit.folder)
    path.unlink()
    with pytest.raises(RunnerError, match="is missing from the kit"):
        checked(kit.folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is damaged"), ('{"schema": 9}', "is a kit of schema 9, this program reads 2")],
)
def test_a_faulty_manifest_is_refused(kit, content, message):
    (kit.folder / "manifest.json").write_text(content)
    with pytest.raises(RunnerError, match=message):
        checked(kit.folder)


def test_a_folder_without_a_manifest_is_no_kit(tmp_path):
    with pytest.raises(RunnerError, match=r"is not a kit: it has no manifest\.json"):
        checked(tmp_path)


def test_a_precision_that_the_runtime_does_not_run_is_refused(tmp_path, network):
    with pytest.raises(UserError, match=r"torch runs no int8 here; choose device\.precision from fp32, tf32"):
        write(tmp_path, network, runtime="torch", provider="cpu", precision="int8")
    with pytest.raises(UserError, match="onnxruntime runs no bf16 here"):
        write(tmp_path, network, precision="bf16")


def operators_of(kit):
    return {entry["id"]: optimised_operators(onnx.load(kit.folder / entry["file"])) for entry in kit.entries}


def test_int8_kits_leave_no_convolution_in_float(tmp_path, network):
    kit = write(tmp_path / "kit", network, precision="int8")
    found = operators_of(kit)
    assert not [name for operators in found.values() for name in operators if name.split("+")[0] == "Conv"]
    assert all("QLinearConv" in operators for name, operators in found.items() if name != "reference-memory")
    measure_kit(kit.folder, tmp_path / "samples.jsonl")


def test_an_int8_model_with_a_float_convolution_is_refused(tmp_path, network, monkeypatch):
    """A pair that is missing before one convolution, as an operation that we cannot quantise would cause."""

    def without_inputs(model, ranges, *, scheme):
        return insert_pairs(model, ranges, scheme=dataclasses.replace(scheme, kinds=frozenset({"Gemm"})))

    monkeypatch.setattr(precision, "insert_pairs", without_inputs)
    with pytest.raises(
        UserError, match=r"the INT8 model leaves \d+ of its convolutions or products in float"
    ):
        write(tmp_path, network, precision="int8")


def test_half_precision_stands_in_the_model(tmp_path, network):
    kit = write(tmp_path / "kit", network, precision="fp16")
    for entry in kit.entries:
        graph = onnx.load(kit.folder / entry["file"]).graph
        kinds = {item.data_type for item in graph.initializer} - {onnx.TensorProto.INT64}
        assert kinds <= {onnx.TensorProto.FLOAT16}
        assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16


def test_a_provider_that_computes_fp16_in_fp32_is_an_error(tmp_path, network):
    kit = write(tmp_path / "kit", network, precision="fp16")
    if platform.machine() != "x86_64":
        pytest.skip("Arm processors compute in FP16; an x86 processor would run this")
    with pytest.raises(RunnerError, match="CPUExecutionProvider computes fp16 in fp32 on this machine"):
        measure_kit(kit.folder, tmp_path / "samples.jsonl")


def test_a_model_that_is_none_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_text("not a model")
    for name, message in (("bad.onnx", "is not an ONNX model"), ("none.onnx", "does not exist")):
        entry = KitNetwork("x", "network", tmp_path / name)
        with pytest.raises(UserError, match=message):
            write_kit(tmp_path / "kit", device=Device(name="x"), networks=[entry], protocol=QUICK)


def test_a_missing_provider_is_an_error():
    with pytest.raises(RunnerError, match=r"this onnxruntime has no provider 'NoSuchProvider'; it has .*CPU"):
        open_runtime(Device(name="x", provider="NoSuchProvider").to_dict())
    with pytest.raises(RunnerError, match=r"unknown runtime 'abacus'; allowed: .*onnxruntime"):
        open_runtime({"runtime": "abacus"})


def test_a_provider_that_leaves_the_work_to_the_cpu_is_an_error(tmp_path, network):
    """Azure's provider comes with every build and runs none of our operations."""
    import onnxruntime

    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime has no second provider")
    kit = write(tmp_path / "kit", network, provider="AzureExecutionProvider")
    with pytest.raises(RunnerError, match=r"cannot run .* with AzureExecutionProvider|fell back from"):
        measure_kit(kit.folder, tmp_path / "samples.jsonl")


def test_the_runner_runs_without_the_rest_of_the_project(kit, tmp_path):
    """As on a target: only the one file that a kit carries."""
    code = (
        "import runpy, sys\n"
        "sys.argv.pop(0)\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n    code = end.code\n"
        "sys.exit([m for m in sys.modules if m.split('.')[0] in ('nas', 'torch', 'onnx')] or code)"
    )
    command = [sys.executable, "-c", code, str(kit.folder / "measure.pyz"), str(kit.folder), "out/table.json"]
    unset = ("PYTHONPATH", "ORT_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["HOME"] = str(tmp_path / "home")
    (tmp_path / "home").mkdir()
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    header, windows = read_samples(tmp_path / "out" / "table.samples.jsonl")
    assert header["device"] == kit.device.to_dict()
    assert {window.entry for window in windows} == {entry["id"] for entry in kit.entries}
    assert list((tmp_path / "home").iterdir()) == []  # where ONNX Runtime would keep what it reports


def test_the_runner_says_what_is_wrong_and_exits_with_2(tmp_path):
    command = [sys.executable, "-m", "nas.runner", str(tmp_path), str(tmp_path / "table.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "is not a kit" in done.stderr
    assert json.dumps("Traceback") not in done.stderr


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(kit, tmp_path, capsys, files_up_to):
    table, samples = tmp_path / "table.json", tmp_path / "table.samples.jsonl"
    assert main([str(kit.folder), str(table)]) == 0
    header, window = samples.read_bytes().splitlines(keepends=True)[:2]
    long = [header, *[window] * (50_000 // len(window))]  # longer than a profile, which is written first
    samples.write_bytes(b"".join(long))
    # In the middle of the next window, however few samples it has: a disturbed one has fewer than the first.
    with files_up_to(samples.stat().st_size + len(b'{"entry"')):
        assert main([str(kit.folder), str(table)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"error: cannot write {table} (File too large); make room"
    kept = read_samples(samples)[1]
    assert len(kept) == len(long) - 1
    assert main([str(kit.folder), str(table)]) == 0
    assert read_samples(samples)[1][: len(kept)] == kept


def test_a_profile_that_a_full_disk_cut_off_is_one_line(kit, tmp_path, capsys, files_up_to):
    with files_up_to(2000):
        assert main([str(kit.folder), str(tmp_path / "table.json")]) == 2
    assert re.search(r"error: onnxruntime's profile in \S+ is cut off; make room", capsys.readouterr().err)


def test_a_result_that_cannot_be_written_leaves_no_part_of_it(kit, tmp_path, capsys, files_up_to):
    table = tmp_path / "table.json"
    assert main([str(kit.folder), str(table)]) == 0
    old = table.read_bytes()
    with files_up_to(2000):
        assert main([str(kit.folder), str(table)]) == 2
    assert table.read_bytes() == old
    assert {path.name for path in tmp_path.iterdir()} == {"kit", "table.json", "table.samples.jsonl"}


def test_help_that_nobody_reads_ends_without_a_word(kit, tmp_path, unread_pipe):
    command = [sys.executable, kit.folder / "measure.pyz", "--help"]
    environment = os.environ | {"PYTHONUNBUFFERED": ""}  # argparse itself passes over a line that is not read
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdout=unread_pipe, stderr=subprocess.PIPE, check=False
    )
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_manifest_may_begin_with_a_byte_order_mark(kit, mark):
    path = kit.folder / "manifest.json"
    path.write_bytes(mark + path.read_bytes())
    assert read_manifest(kit.folder) == kit.manifest


@pytest.fixture
def packed(kit, tmp_path):
    path = tmp_path / "my.kit.zip"
    pack_folder(kit.folder, ["manifest.json", *(entry["file"] for entry in kit.entries)], path)
    return path


def test_a_packed_kit_is_unpacked_once_and_again_if_it_is_another(kit, packed, network, tmp_path):
    folder = kit_folder(packed)
    assert folder == tmp_path / "my.kit-unpacked"
    assert checked(folder) == kit.manifest
    (folder / "mine").touch()
    assert kit_folder(packed) == folder
    assert (folder / "mine").exists()
    other = write(tmp_path / "other", network, batch=2)
    pack_folder(other.folder, ["manifest.json", *(entry["file"] for entry in other.entries)], packed)
    assert checked(kit_folder(packed)) == other.manifest
    assert kit_folder(kit.folder) == kit.folder


def test_a_packed_kit_is_the_same_whenever_it_is_packed(kit, packed, tmp_path):
    os.utime(kit.folder / "manifest.json", (1, 1))
    names = [entry["file"] for entry in kit.entries]
    pack_folder(kit.folder, [*reversed(names), "manifest.json"], tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_a_zip_file_that_is_no_kit_is_refused(kit, packed, tmp_path):
    content = packed.read_bytes()
    packed.write_bytes(content[: len(content) // 2])
    with pytest.raises(RunnerError, match="is not a zip file, or is cut off; copy it again"):
        kit_folder(packed)
    pack_folder(kit.folder, [kit.entries[0]["file"]], packed)
    with pytest.raises(
        RunnerError, match=r"is not a kit: it has no manifest\.json; name the zip file of a kit"
    ):
        kit_folder(packed)


def test_a_zip_file_that_would_fill_the_disk_is_refused(kit, tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(kit.folder / "manifest.json", "manifest.json")
        archive.writestr("models/zeros.onnx", bytes(50_000_000))
    with pytest.raises(RunnerError, match=r"would unpack to 0\.1 GB, over 500 times its size"):
        kit_folder(path)
    assert not (tmp_path / "bomb-unpacked").exists()


def test_a_zip_file_writes_nothing_outside_of_its_folder(kit, tmp_path):
    path = tmp_path / "in" / "evil.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(kit.folder / "manifest.json", "manifest.json")
        archive.writestr("../../outside.txt", "x")
        archive.writestr("/outside.txt", "x")
    kit_folder(path)
    assert not (tmp_path / "outside.txt").exists()
    assert not Path("/outside.txt").exists()


def test_a_changed_manifest_is_refused(kit):
    path = kit.folder / "manifest.json"
    path.write_text(path.read_text().replace('"batch": 1', '"batch": 3'))
    with pytest.raises(RunnerError, match="was changed after it was written"):
        read_manifest(kit.folder)


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../../secret"},
        {"file": "/etc/passwd"},
        {"file": "models/two\nlines"},
        {"file": "models/" + "x" * 300},
        {"file": 7},
        {"id": None},
        {"sha256": []},
    ],
)
def test_a_manifest_that_lists_something_else_is_refused(kit, change):
    first, *others = kit.entries
    content = {**kit.manifest, "entries": [{**first, **change}, *others]}
    (kit.folder / "manifest.json").write_text(json.dumps({**content, "sha256": content_hash(content)}))
    with pytest.raises(RunnerError, match="does not list the models of a kit"):
        check_files(kit.folder, read_manifest(kit.folder))


def interrupted(kit, folder, stop):
    """Starts the runner, stops it once the first line has come, and gives what it said and its exit code."""
    manifest = kit.folder / "manifest.json"
    quick = manifest.read_text()
    slow = {"protocol": {**kit.manifest["protocol"], "min_rounds": 900, "max_rounds": 900}}
    content = {**kit.manifest, **slow}
    manifest.write_text(json.dumps({**content, "sha256": content_hash(content)}))
    # A shell's background jobs ignore SIGINT, and so would what they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(streaming(kit), cwd=folder, **pipes) as process:
        signal.signal(signal.SIGINT, before)
        assert process.stdout.readline().startswith(b'{"format"')
        stop(process)
        said = process.stderr.read().decode()
        code = process.wait(20)
    manifest.write_text(quick)
    return said, code


def streaming(kit):
    return [sys.executable, str(kit.folder / "measure.pyz"), str(kit.folder), "table.json", "--stream"]


def test_the_runner_ends_when_nobody_listens_and_goes_on_later(kit, tmp_path):
    assert interrupted(kit, tmp_path, lambda process: process.stdout.close()) == ("", 130)
    before = (tmp_path / "table.samples.jsonl").read_bytes()
    done = subprocess.run(streaming(kit), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "progress" not in line]
    assert (tmp_path / "table.samples.jsonl").read_text().splitlines() == lines
    assert "".join(f"{line}\n" for line in lines).encode().startswith(before)


def test_the_runner_says_that_it_can_go_on_after_an_interruption(kit, tmp_path):
    def stop(process):
        process.send_signal(signal.SIGINT)
        process.stdout.read()

    said = "\ninterrupted; the same command resumes from here\n"
    assert interrupted(kit, tmp_path, stop) == (said, 130)


@pytest.mark.parametrize(
    ("version", "said"),
    [((3, 8), "error: this is Python 3.8, but 3.9 or later is needed"), ((3, 9), "usage:")],
)
def test_an_old_python_is_told(kit, version, said):
    """As far as a newer Python can tell: the check comes first, in words that every Python understands."""
    code = f"import runpy, sys; sys.version_info = {version!r}; sys.argv = ['measure.pyz', '--help']\n"
    code += f"runpy.run_path({str(kit.folder / 'measure.pyz')!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said in (done.stderr if version < (3, 9) else done.stdout)
    assert done.returncode == (2 if version < (3, 9) else 0)


def test_a_kit_s_operators_can_be_looked_at(kit, tmp_path):
    command = [
        sys.executable,
        str(kit.folder / "measure.pyz"),
        str(kit.folder),
        "out/profile.json",
        "--profile",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "profile.json").read_text())
    assert set(found) == {entry["id"] for entry in kit.entries}
    assert any(name.startswith("Conv ") for name, _ in found["reference-compute"])
    assert all(us > 0 for operators in found.values() for _, us in operators)


def test_a_runtime_without_a_profiler_says_so(tmp_path):
    class Plain(Runtime):
        version = "1"

        def open(self, path):
            raise AssertionError

    with pytest.raises(RunnerError, match="test_kit has no profiler; use another runtime"):
        Plain().profile(tmp_path)
