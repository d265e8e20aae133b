"""The explorer: a page on which the choices of a space are moved, and their costs follow at once."""

from __future__ import annotations

from nas.report.explorer.build import Explored, write_explorer

__all__ = ["Explored", "write_explorer"]
