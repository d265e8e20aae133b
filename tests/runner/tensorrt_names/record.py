"""Records the names that NVIDIA's Python bindings of TensorRT offer: python record.py FOLDER > 11.txt

FOLDER is where the bindings were installed, e.g. by
``pip install --no-deps --target FOLDER "tensorrt-cu13-bindings==11.*"`` (cu12 for TensorRT 10). They are a
module in C++ that only registers its classes when it is imported; the libraries that it is linked with, which
need hundreds of megabytes and a GPU, are replaced by empty ones. Needs a C compiler.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser")
CLASSES = ("Builder", "BuilderFlag", "DataType", "IBuilderConfig", "ICudaEngine", "IExecutionContext")
CLASSES += ("IHostMemory", "ILogger", "INetworkDefinition", "IOptimizationProfile", "IProfiler", "ITensor")
CLASSES += ("ITimingCache", "Logger", "MemoryPoolType", "NetworkDefinitionCreationFlag", "OnnxParser")
CLASSES += ("ParserError", "Profiler", "ProfilingVerbosity", "Runtime", "TensorIOMode")


def empty_libraries(folder: Path, *, major: str) -> None:
    source = folder / "empty.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    for name in LIBRARIES:
        file = f"{name}.so.{major}"
        command = ["cc", "-shared", "-fPIC", str(source), "-o", str(folder / file), f"-Wl,-soname,{file}"]
        subprocess.run(command, check=True)


def load(folder: Path) -> ModuleType:
    file = folder / "tensorrt_bindings" / "tensorrt.so"
    spec = importlib.util.spec_from_file_location("tensorrt", file)
    assert spec is not None and spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(module: ModuleType) -> list[str]:
    found = [name for name in dir(module) if not name.startswith("_")]
    for kind in CLASSES:
        found += [f"{kind}.{name}" for name in dir(getattr(module, kind)) if not name.startswith("_")]
    return sorted(found)


def main() -> None:
    folder = Path(sys.argv[1])
    version = re.search(r'__version__ = "(.*)"', (folder / "tensorrt_bindings/__init__.py").read_text())
    assert version is not None, folder
    if "EMPTY_LIBRARIES" not in os.environ:  # the dynamic linker reads its path when a process starts
        with tempfile.TemporaryDirectory() as made:
            empty_libraries(Path(made), major=version[1].split(".")[0])
            environment = {**os.environ, "LD_LIBRARY_PATH": made, "EMPTY_LIBRARIES": "1"}
            subprocess.run([sys.executable, *sys.argv], env=environment, check=True)
        return
    print(f"# TensorRT {version[1]}, the names in NVIDIA's Python bindings; written by record.py")
    print("\n".join(names(load(folder))))


if __name__ == "__main__":
    main()
