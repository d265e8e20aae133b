"""The command line: one module for each command, and a thin dispatcher (``nas.cli.__main__``)."""
