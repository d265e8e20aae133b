"""Kits: the ONNX models that a target measures, and the runner that travels with them."""
