"""The sections in the order of the page."""

from __future__ import annotations

from nas.report.files import HISTORY, PARETO, SCALE, TRIALS, WINNER
from nas.report.results import RESULTS, TRUST
from nas.report.sections.base import Section
from nas.report.sections.deployment import artefacts
from nas.report.sections.latency import latency
from nas.report.sections.provenance import PROVENANCE, provenance
from nas.report.sections.result import result
from nas.report.sections.scaling import scaling
from nas.report.sections.search import search
from nas.report.sections.training import supernet
from nas.report.sections.trust import TRUST_ROWS, trust
from nas.report.sections.winner import winner
from nas.report.shipped import DEPLOYED

SECTIONS = (
    Section(name="result", title="Result", needs=(RESULTS,), command="nas finish", make=result),
    Section(name="search", title="Search", needs=(PARETO, WINNER, TRIALS), command="nas search", make=search),
    Section(name="winner", title="The winner", command="nas search", make=winner),
    Section(name="latency", title="Latency table", command="nas table", make=latency),
    Section(
        name="trust",
        title="Trust in the supernet",
        needs=(TRUST, TRUST_ROWS),
        command="nas trust",
        make=trust,
        optional=True,
    ),
    Section(name="scaling", title="Scaling", needs=(SCALE,), command="nas scale", make=scaling),
    Section(name="files", title="Exported files", needs=(DEPLOYED,), command="nas export", make=artefacts),
    Section(name="training", title="Training", needs=(HISTORY,), command="nas train", make=supernet),
    Section(name="run", title="What was run", needs=(PROVENANCE,), command="nas run", make=provenance),
)
