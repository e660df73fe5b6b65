"""What a run measured, as it is kept in a file: figures with machine, versions and method."""

from statistics import median

import msgspec

from shipmark_serve.contract.records import Record

FORMAT = 1
MEGABYTE = 1_000_000
BASELINE = "fastapi"
SOURCE, IMAGE = OURS = ("shipmark", "shipmark-image")
CONNECTIONS = (16, 64)


class Machine(Record, frozen=True, kw_only=True):
    """Where it was measured."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str


class Server(Record, frozen=True, kw_only=True):
    """One server."""

    name: str
    title: str
    about: str
    versions: dict[str, str]


class Row(Record, frozen=True, kw_only=True):
    """One server asked in one form on so many connections; a figure for each round."""

    model: str
    server: str
    form: str
    connections: int
    rate_per_s: tuple[float, ...]
    baseline_per_s: tuple[float, ...]
    """FastAPI's on as many connections, just before and just after; their mean."""
    p50_s: tuple[float, ...]
    p99_s: tuple[float, ...]
    errors: int
    refused: int

    @property
    def ratio(self) -> float:
        """To FastAPI; the median of the rounds."""
        pairs = zip(self.rate_per_s, self.baseline_per_s, strict=True)
        return median(mine / theirs if theirs else 0.0 for mine, theirs in pairs)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from the others."""
        return self.model, self.server, self.form, self.connections


class Start(Record, frozen=True, kw_only=True):
    """How a server came up with a model; a figure for each start."""

    model: str
    server: str
    start_s: tuple[float, ...]
    """From starting it to the first right answer."""
    memory_bytes: tuple[int, ...]
    """After the load; pages that processes share count once."""


class Left(Record, frozen=True, kw_only=True):
    """A server that was left out."""

    server: str
    model: str
    reason: str


class Bare(Record, frozen=True, kw_only=True):
    """The model run in a loop without a server, each time just after a server's last load."""

    model: str
    server: str
    threads: int
    rate_per_s: tuple[float, ...]


class Cost(Record, frozen=True, kw_only=True):
    """Processor time of the server for one request, with guard and metrics and without; pairs."""

    model: str
    form: str
    with_s: tuple[float, ...]
    without_s: tuple[float, ...]


class Processes(Record, frozen=True, kw_only=True):
    """A Python model that holds the GIL, by how many processes run it."""

    one_per_s: tuple[float, ...]
    two_per_s: tuple[float, ...]


class Overload(Record, frozen=True, kw_only=True):
    """Open loop at twice the capacity."""

    capacity_per_s: float
    """Closed loop, just before."""
    offered_per_s: float
    throughput_per_s: float
    accepted_max_s: float
    allowed_s: float
    """(queue_limit + threads) service times."""
    refused: int
    refused_p99_s: float
    other_failures: int
    valid: bool
    queue_limit: int
    threads: int


class Report(Record, frozen=True, kw_only=True):
    """One run."""

    format: int = FORMAT
    measured: str
    """The day, as YYYY-MM-DD."""
    rounds: dict[str, int]
    """Model -> how many; fewer than were asked for where the time was over."""
    seconds: dict[str, int]
    """Model -> how long each load was."""
    machine: Machine
    servers: tuple[Server, ...]
    method: tuple[str, ...]
    models: dict[str, str]
    rows: tuple[Row, ...]
    starts: tuple[Start, ...]
    left: tuple[Left, ...]
    bare: tuple[Bare, ...] = ()
    costs: tuple[Cost, ...] = ()
    processes: Processes | None = None
    overload: Overload | None = None


def loads(data: bytes) -> Report:
    """Read a report."""
    return msgspec.json.decode(data, type=Report)


def dumps(report: Report) -> bytes:
    """Write a report, for people to read and for version control to compare."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
