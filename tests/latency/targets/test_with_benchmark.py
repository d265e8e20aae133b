"""Measuring with a benchmark program, for which a script stands in, by the real adb and a stand-in for it."""

from contextlib import ExitStack

import pytest

from nas.errors import UserError
from nas.hardware import Device
from nas.latency.costs.from_samples import table_from_samples
from nas.latency.targets import Target
from nas.latency.targets.benchmarks import benchmarks, find_benchmark
from nas.latency.targets.run_kit import run_kit
from nas.runner.samples import read_samples
from tests.latency.building import build_table
from tests.latency.targets.devices import phone_behind_adb, phone_behind_stand_in, put_on_path, write_script

# The latency of a model is its size: 1 µs a byte. What is printed is what version 1.22 prints.
PERF_TEST = """#!/bin/sh
[ "$ORT_DISABLE_TELEMETRY" = 1 ] || exit 1
echo "$@" >> "$(dirname "$0")/calls"
while [ $# -gt 1 ]; do [ "$1" = -r ] && runs=$2; shift; done
[ -f "$1" ] || { echo "Load model from $1 failed: file doesn't exist"; exit 1; }
size=$(wc -c < "$1")
cat <<END
Setting intra_op_num_threads to 1
Setting inter_op_num_threads to 1
Session creation time cost: 0.0113284 s
First inference time cost: 2 ms
Total inference time cost: 0.0336 s
Total inference requests: $runs
Average inference time cost: $(awk "BEGIN { print $size / 1000 }") ms
Total inference run time: 0.0337 s
Number of inferences per second: 297.5
Avg CPU usage: 50 %
Peak working set size: 37146624 bytes
END
"""
BENCHMARK_MODEL = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
cat >&2 <<END
INFO: STARTING!
INFO: Loaded model $1
INFO: The input model file size (MB): 0.004448
INFO: Initialized session in 0.855ms.
INFO: count=1 first=49060 curr=49060 min=49060 max=49060 avg=49060 std=0

INFO: count=50 first=32891 curr=33978 min=32641 max=34005 avg=33209.4 std=450

INFO: Inference timings in us: Init: 855, First inference: 4906, Warmup (avg): 4906, Inference (avg): 3320.9
END
"""


@pytest.fixture(params=["stand-in", "adb"])
def connected(request, tmp_path, monkeypatch):
    """A phone that is the only one."""
    with ExitStack() as stack:
        if request.param == "adb":
            yielded = stack.enter_context(phone_behind_adb(tmp_path))
        else:
            yielded = phone_behind_stand_in(tmp_path)
        put_on_path(monkeypatch, tmp_path / "bin")
        yield yielded


@pytest.fixture
def phone(connected):
    """Where the phone's files are."""
    return connected.root / "data" / "local" / "tmp" / "hwnas"


@pytest.fixture
def perf_test(tmp_path):
    return write_script(tmp_path / "onnxruntime_perf_test", PERF_TEST)


@pytest.fixture
def benchmark_model(tmp_path):
    return write_script(tmp_path / "benchmark_model", BENCHMARK_MODEL)


def calls(phone):
    return (phone / "calls").read_text().splitlines()


def test_a_phone_is_measured_by_onnx_runtime_s_program(kit, connected, phone, perf_test, tmp_path):
    samples, log = tmp_path / "samples.jsonl", connected.log
    target = Target(host=f"adb:{connected.serial}", binary=perf_test)
    run_kit(kit, samples, target=target)
    assert log.read_text().count("push ") == 1 + len(kit.entries)
    header, windows = read_samples(samples)
    sizes = {entry["id"]: (kit.folder / entry["file"]).stat().st_size for entry in kit.entries}
    assert {window.entry for window in windows} == set(sizes)
    for window in windows:
        assert window.samples_us == pytest.approx([sizes[window.entry]] * 2, rel=1e-4)
    assert (
        table_from_samples(kit.manifest, header=header, windows=windows).device.machine
        == "Example Phone 7 SM1"
    )
    assert "-I -m times -r 1 -x 1 -y 1 -e cpu /data/local/tmp/hwnas/" in calls(phone)[0].replace(
        str(phone), "/data/local/tmp/hwnas"
    )
    # Killed and started again, it copies nothing and measures what is missing.
    lines = samples.read_bytes().splitlines(keepends=True)
    samples.write_bytes(b"".join(lines[:-3]))
    log.write_text("")
    run_kit(kit, samples, target=target)
    assert "push " not in log.read_text()
    assert samples.read_bytes().startswith(b"".join(lines[:-3]))


def test_a_table_is_built_on_a_phone(small_space, phone, perf_test, tmp_path):
    table = build_table(
        small_space,
        device=Device(name="phone", threads=4),
        folder=tmp_path / "table",
        budget_s=1,
        resolutions=[8],
        classes=10,
        correction_networks=3,
        validation_networks=3,
        target=Target(host="adb:", binary=perf_test),
    )
    assert (table.device.machine, table.device.threads) == ("Example Phone 7 SM1", 4)
    assert set(table.costs) == {block.key for block in small_space.block_specs(resolutions=[8], classes=10)}
    assert table.accuracy.networks == 3
    assert " -x 4 " in calls(phone)[0]


def test_another_provider_may_not_fall_back(write_quick, phone, perf_test, tmp_path):
    options = {"backend_type": "htp", "vtcm_mb": 8}
    kit = write_quick(tmp_path / "qnn", provider="QNNExecutionProvider", provider_options=options)
    run_kit(kit, tmp_path / "samples.jsonl", target=Target(host="adb:", binary=perf_test))
    asked = " -e qnn -i backend_type|htp vtcm_mb|8 -C session.disable_cpu_ep_fallback|1 "
    assert all(asked in call for call in calls(phone))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"provider": "CUDAExecutionProvider"}, "unknown provider of onnxruntime_perf_test 'CUDAExec"),
        (
            {"runtime": "torch", "provider": "cpu"},
            "onnxruntime_perf_test measures device.runtime=onnxruntime",
        ),
    ],
)
def test_what_the_program_does_not_measure_is_refused(
    write_quick, phone, perf_test, tmp_path, fields, message
):
    kit = write_quick(tmp_path / "other", **fields)
    with pytest.raises(UserError, match=message):
        run_kit(kit, tmp_path / "samples.jsonl", target=Target(host="adb:", binary=perf_test))


def test_a_phone_without_a_program_is_refused(kit, phone, tmp_path):
    with pytest.raises(UserError, match=r"Android has no Python: name a benchmark program .*remote\.binary"):
        run_kit(kit, tmp_path / "samples.jsonl", target=Target(host="adb:"))


def test_a_phone_that_is_not_connected_is_told(kit, phone, perf_test, tmp_path):
    with pytest.raises(UserError, match=r"device 'X' not found\. Connect it, allow debugging on it"):
        run_kit(kit, tmp_path / "s.jsonl", target=Target(host="adb:X", binary=perf_test))


def test_a_folder_that_cannot_be_written_is_told(kit, phone, perf_test, tmp_path):
    phone.mkdir()
    taken = phone / f"{perf_test.name}.part"
    taken.mkdir()
    target = Target(host="adb:", binary=perf_test, folder="/data/local/tmp/hwnas/onnxruntime_perf_test.part")
    taken.rmdir()
    taken.write_text("a file, no folder")
    with pytest.raises(UserError, match=r"adb:: .*(exists|directory)"):
        run_kit(kit, tmp_path / "s.jsonl", target=target)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#!/bin/sh\necho 'usage: perf_test'\n", "printed no latency, but: usage: perf_test. Try it on the"),
        ("#!/bin/sh\necho 'error: no such provider'; exit 1\n", "adb:: no such provider$"),
    ],
)
def test_a_program_that_fails_is_told_with_what_it_said(kit, phone, tmp_path, text, message):
    program = write_script(tmp_path / "onnxruntime_perf_test-1.22", text)
    with pytest.raises(UserError, match=message):
        run_kit(kit, tmp_path / "s.jsonl", target=Target(host="adb:", binary=program))


def test_a_program_is_known_by_the_name_of_its_file(tmp_path):
    assert benchmarks() == ("benchmark_model", "onnxruntime_perf_test")
    with pytest.raises(UserError, match=r"table\.remote\.binary: there is no file .*none"):
        find_benchmark(tmp_path / "none")
    other = write_script(tmp_path / "perf", "")
    with pytest.raises(UserError, match=r"unknown benchmark program 'perf'; .*The file's name must begin so"):
        find_benchmark(other)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("Average inference time cost: 144.871 ms", 0.144871),
        ("Average inference time cost:734.606 ms", 0.734606),
        ("Average inference time cost total: 1.5e-02 ms", 1.5e-5),
        ("Total inference time cost: 1.44871 s", None),
    ],
)
def test_what_onnx_runtime_s_program_has_printed_over_the_years(perf_test, line, seconds):
    assert find_benchmark(perf_test).seconds(f"Setting\n{line}\nmore") == (seconds and pytest.approx(seconds))


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (
            "Inference timings in us: Init: 8, First inference: 4, Warmup (avg): 3.5, Inference (avg): 14.68",
            14.68e-6,
        ),
        ("Average inference timings in us: Warmup: 76605.9, Init: 9933, no stats: 66767.6", 66767.6e-6),
        ("count=15 first=66753 avg=66767.6", None),
    ],
)
def test_what_tflite_s_program_has_printed_over_the_years(benchmark_model, line, seconds):
    assert find_benchmark(benchmark_model).seconds(line) == (seconds and pytest.approx(seconds))


def test_tflite_s_program_reads_models_that_were_converted(write_quick, phone, benchmark_model, tmp_path):
    kit = write_quick(tmp_path / "tflite", runtime="tflite", provider="", threads=2)
    target, samples = Target(host="adb:", binary=benchmark_model), tmp_path / "samples.jsonl"
    with pytest.raises(UserError, match=r"reads TFLite models, but .*\.tflite does not exist; convert every"):
        run_kit(kit, samples, target=target)
    for entry in kit.entries:
        (kit.folder / entry["file"]).with_suffix(".tflite").write_text(entry["id"])
    run_kit(kit, samples, target=target)
    assert {window.quiet_us for window in read_samples(samples)[1]} == {3320.9}
    assert all("--num_threads=2 " in f"{call} " and "--graph=" in call for call in calls(phone))


def test_each_program_measures_its_own_runtime(kit, phone, benchmark_model, tmp_path):
    with pytest.raises(UserError, match=r"benchmark_model measures device\.runtime=tflite, not onnxruntime"):
        run_kit(kit, tmp_path / "s.jsonl", target=Target(host="adb:", binary=benchmark_model))
