"""Programs being measured: how long they take, and how much memory they and theirs hold."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 600
_SAMPLE_S = 0.01
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a program did."""

    seconds: float
    processor_s: float
    """On all processors, by the program and its children."""
    largest_bytes: int
    """Peak of resident memory of the largest among them; 0 unless it was watched.

    Not from `wait4`: Linux counts what the measuring process held when it forked.
    """
    together_bytes: int
    """Peak of resident memory of all of them, summed; 0 unless it was watched."""
    output: str


class Failed(Exception):
    """A program that was measured went wrong; the message has its output."""


def run(command: Sequence[str], environment: Mapping[str, str], *, watch: bool = False) -> Finished:
    """Run a program to its end.

    Args:
        command: The program and its arguments.
        environment: All of it.
        watch: Sample its memory, which makes it a little slower.

    Raises:
        Failed: Its exit status was not 0, or it took too long.
    """
    begin = time.monotonic()
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    timer = threading.Timer(TIMEOUT_S, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        with watched(process.pid) if watch else nullcontext(Peak()) as peak:
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit status {process.returncode}\n{output}")
    return Finished(
        seconds=seconds,
        processor_s=usage.ru_utime + usage.ru_stime,
        largest_bytes=peak.largest_bytes,
        together_bytes=peak.together_bytes,
        output=output,
    )


@dataclass(slots=True)
class Peak:
    """The most that was seen, in bytes."""

    together_bytes: int = 0
    largest_bytes: int = 0


@contextmanager
def watched(root: int) -> Iterator[Peak]:
    """Sample the resident memory of a process and all below it.

    Pages that several processes share count for each of them.
    """
    peak, stop = Peak(), threading.Event()

    def sample() -> None:
        while not stop.wait(_SAMPLE_S):
            sizes = [_resident(process) for process in descendants(_parents(), root)]
            peak.together_bytes = max(peak.together_bytes, sum(sizes))
            peak.largest_bytes = max(peak.largest_bytes, *sizes)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def resident(root: int) -> int:
    """The resident memory of a process and all below it at this moment, in bytes."""
    return sum(map(_resident, descendants(_parents(), root)))


def descendants(parents: Mapping[int, int], root: int) -> set[int]:
    """The process `root` and all below it, where `parents` tells the parent of each."""
    children: dict[int, list[int]] = {}
    for process, parent in parents.items():
        children.setdefault(parent, []).append(process)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        process = waiting.pop()
        if process not in found:
            found.add(process)
            waiting += children.get(process, [])
    return found


def _parents() -> dict[int, int]:
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  # a hundred times a second
        if name.isdecimal():
            try:
                stat = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            found[int(name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def _resident(process: int) -> int:
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * _PAGE_BYTES
