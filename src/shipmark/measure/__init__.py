"""How a served model behaves under load: an open-loop generator, and what it showed.

Open loop: when requests are due is fixed beforehand, and no request waits for an earlier reply, as
callers who know nothing of one another do not. A closed loop (wrk, hey, ab, locust) asks less while
a server stalls, and so hides the stall.
"""

from shipmark.measure.load import Load, Tally
from shipmark.measure.page import page
from shipmark.measure.report import Report, report, text
from shipmark.measure.run import run

__all__ = ["Load", "Report", "Tally", "page", "report", "run", "text"]
