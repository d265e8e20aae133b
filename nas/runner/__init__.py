"""The runner measures on the target: the timing protocol and the runtimes.

Needs Python 3.9 or later, numpy and one runtime; imports nothing else of this project, so that it can be
zipped and carried to the target as it is.
"""

import os

# ONNX Runtime 1.32 sends usage data, from a thread that disturbs measurements; this is read at its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
