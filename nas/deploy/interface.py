"""The interface of exported files: the names of input and output, and the operator set."""

INPUT = "images"
OUTPUT = "logits"
OPSET = 20
"""The version of ONNX's operator set that latency tables are measured with."""
