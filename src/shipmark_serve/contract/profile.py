"""What `shipmark profile` is told by the server's side."""

from shipmark_serve.contract.records import Record


class Spent(Record, frozen=True, kw_only=True):
    """Time that went into one operator, or into one node of the graph."""

    name: str
    operator: str
    """The operator type; the same as `name` where all nodes of the type are one."""
    provider: str
    calls: int
    """In one run."""
    seconds: float
    """In one run, on average."""
    share: float
    """Of the time of all operators."""


class Profile(Record, frozen=True, kw_only=True):
    """Where the time of a run goes."""

    model: str
    version: str
    library: str
    """Name and version of what ran it."""
    inputs: str
    """What it was run with, for a person."""
    runs: int
    run_s: float
    """Wall time of one run, the median; with what it costs to take the profile."""
    operators: tuple[Spent, ...]
    """By operator type, the longest first."""
    nodes: tuple[Spent, ...]
    """By node, the longest first."""
