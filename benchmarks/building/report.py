"""What a run measured, as it is kept in a file: figures with machine, versions and method."""

from statistics import median

import msgspec

from shipmark_serve.contract.records import Record

FORMAT = 1
MEGABYTE = 1_000_000


class Machine(Record, frozen=True, kw_only=True):
    """Where it was measured."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str
    file_system: str
    load: float
    """How many programs wanted a processor in the minute before; 0 on a quiet machine."""


class Scenario(Record, frozen=True, kw_only=True):
    """One kind of build, by both; seconds of each round, in the order of the rounds."""

    title: str
    shipmark_s: tuple[float, ...]
    shipmark_processor_s: tuple[float, ...]
    """What Shipmark used of all processors together."""
    docker_s: tuple[float, ...]
    at_most_s: float | None = None
    """The target for the median of Shipmark."""
    at_most_ratio: float | None = None
    """The target for the ratio of the medians."""
    bound: str
    """What Shipmark's time goes into."""

    @property
    def shipmark_median_s(self) -> float:
        """Shipmark's."""
        return median(self.shipmark_s)

    @property
    def processor_median_s(self) -> float:
        """Shipmark's, of all processors together."""
        return median(self.shipmark_processor_s)

    @property
    def docker_median_s(self) -> float:
        """Docker's."""
        return median(self.docker_s)

    @property
    def ratio(self) -> float:
        """Shipmark's median, in Docker's."""
        return self.shipmark_median_s / self.docker_median_s

    @property
    def holds(self) -> bool:
        """Whether every target is met."""
        in_time = self.at_most_s is None or self.shipmark_median_s <= self.at_most_s
        return in_time and (self.at_most_ratio is None or self.ratio <= self.at_most_ratio)


class Memory(Record, frozen=True, kw_only=True):
    """The most memory that one kind of build took, in any round."""

    title: str
    together_bytes: int
    """Resident memory of all processes of the build, summed; sampled."""
    largest_bytes: int
    """The largest process's own peak, as the kernel kept it."""
    docker_bytes: int
    """By how much the engine and what it starts grew, with the client; sampled."""
    at_most_bytes: int
    bound: str

    @property
    def holds(self) -> bool:
        """Whether the target is met."""
        return max(self.together_bytes, self.largest_bytes) <= self.at_most_bytes


class Report(Record, frozen=True, kw_only=True):
    """One run."""

    format: int = FORMAT
    measured: str
    """The day, as YYYY-MM-DD."""
    rounds: int
    weights_bytes: int
    """How many weights changed at once."""
    machine: Machine
    versions: dict[str, str]
    method: str
    """A list in Markdown."""
    scenarios: tuple[Scenario, ...]
    memory: tuple[Memory, ...]

    @property
    def holds(self) -> bool:
        """Whether every target is met."""
        return all(each.holds for each in self.scenarios) and all(
            each.holds for each in self.memory
        )


def loads(data: bytes) -> Report:
    """Read a report."""
    return msgspec.json.decode(data, type=Report)


def dumps(report: Report) -> bytes:
    """Write a report, for people to read and for version control to compare."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
