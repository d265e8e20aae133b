"""Written against traced ONNX files: ``OMP_NUM_THREADS=1 python benchmarks/written_files.py [ROUNDS]``.

Files of ``swin_t``, ``deit_tiny`` and ``levit_192`` that ``nas export`` would write, and files that
``torch.onnx.export`` makes of torchvision's ``swin_t`` and timm's other two (``pip install timm``), one
image, one thread, in ONNX Runtime and OpenVINO. Goals: the written files of ``swin_t`` and ``deit_tiny`` are
at most 5 % slower; INT8 of ``deit_tiny`` is at least 1.6 times faster than FP32 in ONNX Runtime, on a CPU
with VNNI.

All files take turns in each round, in an order that is reversed in every other round. A ratio is the median
over rounds, with a 95 % bootstrap interval; beside it the ratio of the means of each file's fastest fifth. 4
minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from nas.deploy.lowered import write_network
from nas.hardware import detect
from nas.network import reference_network
from nas.nn import StaticNetwork
from nas.nn.torchvision_weights import take_torchvision_weights
from nas.provenance import versions
from nas.quantization import quantize, target_here

ROUNDS = 60
IMAGES = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
Run = Callable[[], np.ndarray]


def main(rounds: int) -> None:
    """Prints a Markdown row for each network and runtime."""
    machine = ", ".join(f"{name} {value}" for name, value in detect().items())
    import onnxruntime
    import openvino

    print(
        f"{machine}; Python {versions()['python']}, PyTorch {torch.__version__}, ONNX Runtime "
        f"{onnxruntime.__version__}, OpenVINO {openvino.__version__}; {rounds} rounds\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(Path(folder))
        runs = {
            (network, how, runtime): opened(path)
            for (network, how), path in files.items()
            for runtime, opened in (("ONNX Runtime", in_onnxruntime), ("OpenVINO", in_openvino))
            if how != "INT8" or runtime == "ONNX Runtime"
        }
    check(runs)
    times = measure(runs, rounds)
    fp32, int8 = (times["deit_tiny", how, "ONNX Runtime"] for how in ("written", "INT8"))
    print(f"deit_tiny, FP32 / INT8 in ONNX Runtime: {compared(int8, fp32)}\n")
    print("| network | runtime | traced, ms | written, ms | written / traced (95 %) | of the fastest fifth |")
    print("|---|---|---:|---:|---:|---:|")
    for network, runtime in dict.fromkeys((key[0], key[2]) for key in runs):
        traced, written = (times[network, how, runtime] for how in ("traced", "written"))
        print(f"| `{network}` | {runtime} | {compared(traced, written)} |")


def make_files(folder: Path) -> dict[tuple[str, str], Path]:
    """The files, by network and how they were made."""
    import timm
    import torchvision

    torch.manual_seed(0)
    sources = {
        "swin_t": torchvision.models.swin_t(),
        "deit_tiny": timm.create_model("deit_tiny_patch16_224"),
        "levit_192": timm.create_model("levit_192", distilled=False),
    }
    files = {}
    for name, source in sources.items():
        static = StaticNetwork(reference_network(name)).eval()
        if name == "swin_t":
            take_torchvision_weights(static, source)
        files[name, "written"] = folder / f"{name}.onnx"
        files[name, "written"].write_bytes(write_network(static, batch="batch").SerializeToString())
        files[name, "traced"] = folder / f"{name}_traced.onnx"
        trace(source.eval(), files[name, "traced"])
    files["deit_tiny", "INT8"] = folder / "deit_tiny.int8.onnx"
    proto = onnx.load(str(files["deit_tiny", "written"]))
    quantised = quantize(proto, target=target_here(), batches=[{"images": IMAGES}])
    files["deit_tiny", "INT8"].write_bytes(quantised.SerializeToString())
    return files


def trace(model: nn.Module, path: Path) -> None:
    """Exports a module as its authors would."""
    program = torch.onnx.export(
        model,
        (torch.from_numpy(IMAGES),),
        input_names=["images"],
        opset_version=20,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(str(path), include_initializers=True)


def in_onnxruntime(path: Path) -> Run:
    """A function that runs a file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"images": IMAGES})[0]  # type: ignore[no-any-return]


def in_openvino(path: Path) -> Run:
    """A function that runs a file in OpenVINO."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([1, 3, 224, 224])
    options = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(model, "CPU", options)
    request, images = compiled.create_infer_request(), openvino.Tensor(IMAGES)

    def run() -> np.ndarray:
        request.infer({0: images})
        return request.get_output_tensor(0).data  # type: ignore[no-any-return]

    return run


def check(runs: dict[tuple[str, str, str], Run]) -> None:
    """Checks that the files of one network give the same outputs where they have the same weights."""
    outputs = {key: run().copy() for key, run in runs.items() if key[0] == "swin_t"}
    first = next(iter(outputs.values()))
    for key, values in outputs.items():
        assert np.abs(values - first).max() < 1e-3 * np.abs(first).max(), key


def measure(runs: dict[tuple[str, str, str], Run], rounds: int) -> dict[tuple[str, str, str], list[float]]:
    """The milliseconds of each run in each round; two rounds warm up."""
    times: dict[tuple[str, str, str], list[float]] = {key: [] for key in runs}
    for number in range(rounds + 2):
        for key in list(runs)[:: 1 if number % 2 else -1]:
            runs[key]()  # brings the weights back into the caches
            start = time.perf_counter()
            runs[key]()
            times[key].append(1e3 * (time.perf_counter() - start))
    return {key: values[2:] for key, values in times.items()}


def compared(traced: list[float], written: list[float]) -> str:
    """The last columns of a row."""
    ratios = np.array(written) / np.array(traced)
    drawn = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.quantile(np.median(drawn, 1), (0.025, 0.975))
    fast = [np.sort(times)[: len(times) // 5].mean() for times in (traced, written)]
    return (
        f"{np.median(traced):.1f} ({min(traced):.1f}) | {np.median(written):.1f} ({min(written):.1f}) | "
        f"{np.median(ratios):.3f} ({low:.3f} to {high:.3f}) | {fast[1] / fast[0]:.3f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
