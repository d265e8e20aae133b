"""Targets: how to reach the machine that measures, and what measures there.

A new transport is a new file in this folder.
"""

from __future__ import annotations

from nas.latency.targets.transport import Target, Transport, open_transport, transports

__all__ = ["Target", "Transport", "open_transport", "transports"]
