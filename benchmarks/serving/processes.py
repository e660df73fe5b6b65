"""A server as a child process: started, waited for, weighed, and ended with all below it."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.ask import Ask

_STOP_S = 8.0
_POLL_S = 0.02


class Failed(Exception):
    """A server did not start, or answers wrongly; the message has the end of its output."""


@dataclass(slots=True)
class Running:
    """A server that answers."""

    pid: int
    port: int
    start_s: float
    """From its start to the first right answer."""

    def memory_bytes(self) -> int:
        """Proportional set size of all its processes: shared pages count once."""
        return sum(_pss(each) for each in tree(self.pid))

    def cpu_s(self) -> float:
        """Processor time that its processes have used, as far as they still run."""
        return sum(_cpu_s(each) for each in tree(self.pid))


@contextmanager
def running(
    command: tuple[str, ...],
    environment: Mapping[str, str],
    *,
    folder: Path,
    port: int,
    first: Ask,
    expected: "list[float]",
    ready_s: float,
) -> Iterator[Running]:
    """Start a server, wait until it answers `first` as it must, and end it at last.

    Raises:
        Failed: It ends, answers otherwise, or takes longer than `ready_s`.
    """
    begun = time.monotonic()
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not answers(port, first, expected):
            if process.poll() is not None or time.monotonic() - begun > ready_s:
                raise Failed(
                    f"not ready after {time.monotonic() - begun:.0f} s, "
                    f"exit status {process.poll()}:\n{_tail(folder / 'output.log')}"
                )
            time.sleep(_POLL_S)
        yield Running(pid=process.pid, port=port, start_s=time.monotonic() - begun)
    finally:
        _end(process)


def answers(port: int, first: Ask, expected: "list[float]") -> bool:
    """Ask once: whether there is an answer with status 200.

    Raises:
        Failed: There is one, and it is wrong.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", first.path, first.body, dict(first.headers))
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    if response.status not in (200, 404, 503, 502):
        raise Failed(f"status {response.status}: {data[:500]!r}")
    if response.status != 200:
        return False
    headers = {name.lower(): value for name, value in response.getheaders()}
    found = [float(each) for each in first.read(data, headers).ravel()]
    if len(found) != len(expected) or any(
        abs(one - other) > 1e-3 * max(1.0, abs(other))
        for one, other in zip(found, expected, strict=True)
    ):
        raise Failed(f"answers {found} where {expected} is right")
    return True


def free_port() -> int:
    """The first of three free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 60_000 and all(_is_free(port + more) for more in (1, 2)):
            return port


def tree(root: int) -> set[int]:
    """A process and all below it, whatever session they moved to."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                stat = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, waiting = set[int](), [root]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += children.get(each, [])
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    everybody = tree(process.pid) if process.poll() is None else set()
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    for each in everybody | {process.pid}:
        with suppress(ProcessLookupError):
            if each == process.pid and process.returncode is not None:
                continue
            os.kill(each, signal.SIGKILL)
    process.wait()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _pss(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _cpu_s(process: int) -> float:
    """To the nanosecond; the kernel's other counts are in hundredths of a second."""
    total_ns = 0
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError, IndexError):
                total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-15:])
