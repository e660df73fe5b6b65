"""What one replica may use of its host."""

import re

from shipmark.errors import DeployError
from shipmark_serve.contract.records import Record

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)

LEAST_MEMORY_BYTES = 32 << 20


class Limits(Record, frozen=True, kw_only=True):
    """Upper bounds; None means: as much as the host gives.

    `memory_bytes` counts what the sandbox keeps in /tmp and /dev/shm as well.
    """

    cpus: float | None = None
    """Processors' worth of time; 0.5 is half of one."""
    memory_bytes: int | None = None
    processes: int = 1024
    """Processes and threads together."""
    open_files: int = 65536
    """Descriptors of each process."""
    scratch_bytes: int = 256 << 20
    """Size of /tmp, and of /dev/shm."""


def parse_size(text: str) -> int:
    """Bytes in `512M`, `2G`, `1.5GiB`; a unit is a power of 1024.

    Raises:
        DeployError: It is not a size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise DeployError(f"{text!r} is not a size", hint="write it like 512M or 2G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def size_text(size_bytes: int) -> str:
    """A size as `parse_size` reads it, to three digits: `64M`, `1.5G`."""
    unit = next((unit for unit in "TGMK" if size_bytes >= _UNITS[unit]), "")
    return f"{size_bytes / _UNITS[unit]:.3g}{unit}"


def check(limits: Limits) -> None:
    """Refuse limits with which nothing could start.

    Raises:
        DeployError: One of them is too small.
    """
    if limits.cpus is not None and not 0.01 <= limits.cpus <= 4096:
        raise DeployError(
            f"{limits.cpus:g} is no number of processors", hint="give --cpus like 0.5 or 2"
        )
    if limits.memory_bytes is not None and limits.memory_bytes < LEAST_MEMORY_BYTES:
        raise DeployError(
            f"a memory limit of {limits.memory_bytes} bytes is less than a server needs to start",
            hint=f"give at least {LEAST_MEMORY_BYTES >> 20}M",
        )
    if limits.processes < 8 or limits.open_files < 64 or limits.scratch_bytes < 1 << 20:
        raise DeployError(
            "a server cannot start with fewer than 8 processes, 64 open files or 1M of scratch"
        )
