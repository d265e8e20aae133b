"""The runner, which measures on the target: the timing protocol and the runtimes.

It needs Python 3.9 or later, numpy and one runtime. It imports nothing else from this project, so that it can
be zipped and copied to the target.
"""

import os

# ONNX Runtime 1.32 sends usage data from a thread that disturbs measurements; it reads this when imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
