"""Kits: ONNX models to measure on a target, and the runner that measures them."""
