"""Which builds are measured, what is asked of each, and what its time goes into."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.building.report import MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of build."""

    title: str
    bound: str
    cold: bool = False
    """From an empty store; Docker keeps its base and pip's cache alone."""
    base_there: bool = False
    """Another package was built on the same base before."""
    change: Literal["nothing", "code", "weights"] = "nothing"
    large: bool = False
    at_most_s: float | None = None
    at_most_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryKind:
    """A kind of build whose memory is measured."""

    build: Kind
    bound: str
    at_most_bytes: int = 200 * MEGABYTE


_COLD = Kind(
    title="cold, on a base already there",
    cold=True,
    base_there=True,
    at_most_ratio=0.6,
    bound="The processors, all of them. Two fifths of their time is gzip, nearly as much compiling "
    "bytecode, a tenth inflating the wheels; the rest is hashing, and Python itself. Docker's time "
    "is pip on one processor; its layers are not compressed before they are pushed.",
)
_BASE_TOO = Kind(
    title="cold, and the base made too",
    cold=True,
    bound="The processors: what a cold build does, and for the base the same again with its 37 "
    "Debian packages, where unpacking xz comes first. No target, for Docker's base was there: "
    "making it took mmdebstrap more than half a minute.",
)
_CODE = Kind(
    title="a line of code changed",
    change="code",
    at_most_s=0.35,
    bound="Starting Python and importing Shipmark, more than half of it; then the start of the "
    "interpreter that compiles the file, and making a few small blobs durable. Docker's engine is "
    "running already, and it compiles no bytecode.",
)
_NOTHING = Kind(
    title="nothing changed",
    at_most_s=0.5,
    bound="Starting Python and importing Shipmark, two thirds of it; then reading and hashing the "
    "package and checking the lock. Docker compares times and sizes, in an engine that runs.",
)
_WEIGHTS = Kind(
    title="large weights changed",
    change="weights",
    large=True,
    at_most_s=10,
    bound="SHA-256 and the disk. Every byte is hashed when the package is read, as it passes into "
    "the layer, and as the blob is written; and it is on the disk before the blob has a name. "
    "Docker copies the weights to its engine, then into a layer.",
)
KINDS = (_COLD, _BASE_TOO, _CODE, _NOTHING, _WEIGHTS)

MEMORY = (
    MemoryKind(
        build=_WEIGHTS,
        bound="Python and its modules; weights pass through in pieces of 1 MiB.",
    ),
    MemoryKind(
        build=_BASE_TOO,
        bound="Two layers being made at once: blocks of 4 MiB being compressed, dictionaries of "
        "xz, what the allocator keeps for each thread, and the interpreter that compiles.",
    ),
)

METHOD = """\
- One package: a model in Python with onnxruntime and numpy, its weights, and the server. The
  Dockerfile (`benchmarks/building/Dockerfile`) installs the very wheels of the lock with
  `pip install --no-deps` and a cache mount, copies weights and code, and has the same user and
  command. Both images are started once and must give the same answer.
- Docker's base, a Debian with Python and a current pip, is made before and not counted. Downloads
  are warm for both: pip finds every wheel in its cache, a cache mount that BuildKit keeps, and
  Shipmark in its download cache. pip asks for a page of the index for each package; that index is
  on the same host and has one file a page, so no network is in any figure.
- Cold: for Docker another build argument, so that every step after the base is done anew
  (`--no-cache` would empty pip's cache mount too); for Shipmark an empty store. On a base already
  there: another package was built on the same base before. Both are timed as commands, from start
  to exit.
- The builds alternate within each round, and who goes first alternates from round to round;
  everything is written to the disk before each. Large weights are random bytes, all of them new in
  each round.
- Memory is sampled every 10 ms in builds that are not timed, the worst of three; pages that
  processes share count for each.
- The engine is started for the run, on storage of its own, with the host's network.\
"""
