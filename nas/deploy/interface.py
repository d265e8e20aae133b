"""The interface of exported files: the names of input and output, and the operator set."""

from importlib import metadata

INPUT = "images"
OUTPUT = "logits"
OPSET = 20
"""The version of ONNX's operator set that latency tables are measured with."""


def package_version() -> str:
    """Returns the version of this package; empty in a source tree that is not installed."""
    try:
        return metadata.version("hwnas")
    except metadata.PackageNotFoundError:
        return ""
