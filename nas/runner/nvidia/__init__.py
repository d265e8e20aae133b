"""What NVIDIA GPUs need: their memory, and engines of TensorRT."""
