"""The comparison of runs: one page from several run folders."""

from __future__ import annotations

from nas.report.compare.build import write_comparison

__all__ = ["write_comparison"]
