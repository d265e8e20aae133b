"""Reports of a run: a console table, pictures and an HTML page, all made from the run folder's files."""

from __future__ import annotations

from nas.report.build import pictures, report
from nas.report.results import Row, read_table
from nas.report.shipped import print_shipped
from nas.report.table import print_table
from nas.statistics import wilson

__all__ = ["Row", "pictures", "print_shipped", "print_table", "read_table", "report", "wilson"]
