"""Bytecode for the Python files of one layer, compiled by the lock's own Python.

The same source at the same path gives the same bytes, whatever else is compiled beside it and on
whatever processor, so a layer's bytecode does not depend on who builds it.
"""

import errno
import resource
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from shipmark.builders import pyc_worker as worker
from shipmark.builders.build_python import BuildPython
from shipmark.builders.part import Part
from shipmark.builders.spool import Spool, Workspace
from shipmark.errors import BuildError
from shipmark.oci.layer import File

_OPTIONS = ("-S", "-s", "-P", "-B", "-W", "ignore")
_SOURCE_BYTES = 8 << 20
"""A larger file gets no bytecode: compiling it could take gigabytes."""

_MEMORY_BYTES = 4 << 30
_TIME_S = 600


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that does not compile; `line` is 0 where none is known."""

    path: str
    line: int
    reason: str


def with_bytecode(
    parts: Sequence[Part],
    python: BuildPython,
    workspace: Workspace,
    refused: Callable[[Refusal], None],
    *,
    below: str = "",
) -> list[Part]:
    """Add to each part a `.pyc` in `__pycache__` for each of its `.py` files.

    Args:
        parts: Paths as they will be in the image, without the leading slash.
        python: The interpreter that compiles.
        workspace: Takes the bytecode.
        refused: Told of each file that does not compile and therefore gets none.
        below: Only files whose path begins so.

    What lies in a folder `tests` gets none: of numpy's that is half the work and a quarter of the
    layer, for files that no server imports. They still run, compiled each time.

    Raises:
        BuildError: The interpreter cannot run here, or broke down.
    """
    known = {entry.path for part in parts for entry in part.entries}
    sources = {
        entry.path: entry
        for part in parts
        for entry in part.entries
        if isinstance(entry, File)
        and entry.path.endswith(".py")
        and entry.path.startswith(below)
        and entry.size <= _SOURCE_BYTES
        and "tests" not in entry.path.split("/")
        and _cached(entry.path, python.python) not in known
    }
    compiled = _compiled(sources, python, workspace, refused) if sources else {}
    return [
        replace(
            part,
            entries=(
                *part.entries,
                *(compiled[entry.path] for entry in part.entries if entry.path in compiled),
            ),
        )
        for part in parts
    ]


def _compiled(
    sources: Mapping[str, File],
    python: BuildPython,
    workspace: Workspace,
    refused: Callable[[Refusal], None],
) -> dict[str, File]:
    """Hand all sources over in one file and take all bytecode back in another.

    No pipe: neither side ever waits for the other, and the answers are a spool already.
    """
    requests, replies = workspace.spool(), workspace.spool()
    paths = sorted(sources)
    for path in paths:
        name = f"/{path}".encode()
        source = sources[path].read()
        requests.write(worker.REQUEST.pack(len(name), len(source)) + name + source)
    requests.flush()
    status = _run(python, requests, replies)
    compiled = {}
    offset = _check_version(replies, python)
    for path in paths:
        head = replies.read_at(offset, worker.REPLY.size)
        if len(head) != worker.REPLY.size:
            raise BuildError(
                f"tried to compile /{path}: the compiler ended with status {status}",
                hint="leave the file out if it is not needed; the compiler cannot cope with it",
            )
        outcome, line, size = worker.REPLY.unpack(head)
        offset += worker.REPLY.size
        if outcome == worker.COMPILED:
            pyc = _cached(path, python.python)
            compiled[path] = File(pyc, size, replies.opener(offset, size))
        else:
            refused(Refusal(f"/{path}", line, replies.read_at(offset, size).decode()))
        offset += size
    return compiled


def _run(python: BuildPython, requests: Spool, replies: Spool) -> int:
    interpreter = python.interpreter()
    program = Path(worker.__file__).read_text(encoding="utf-8")
    try:
        with requests.stream() as given, replies.sink() as taken:
            process = subprocess.Popen(
                [*interpreter.command, *_OPTIONS, "-c", program],
                env=interpreter.environment,
                stdin=given,
                stdout=taken,
                stderr=subprocess.DEVNULL,
            )
            with python.running(process):
                resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
                resource.prlimit(process.pid, resource.RLIMIT_CPU, (_TIME_S, _TIME_S))
                status = process.wait()
    except OSError as error:
        raise BuildError(
            f"tried to start {interpreter.command[0]}: {error.strerror or error}",
            hint="the store must lie on a file system from which programs can be run",
        ) from error
    if status == errno.ENOSPC:
        replies.refuse(status)
    return status


def _check_version(replies: Spool, python: BuildPython) -> int:
    """Where the answers begin: after the line with the interpreter's version."""
    line, newline, _ = replies.read_at(0, 100).partition(b"\n")
    version = line.decode("ascii", "replace") if newline else ""
    if version != python.exact:
        raise BuildError(
            f"tried to start Python {python.exact} to compile bytecode: "
            f"{f'it is {version}' if version else 'it did not start'}",
            hint="lock the base again: shipmark lock --upgrade base",
        )
    return len(line) + 1


def _cached(path: str, python: str) -> str:
    """Where PEP 3147 puts the bytecode of a source file."""
    source = PurePosixPath(path)
    tag = f"cpython-{python.replace('.', '')}"
    return str(source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc")
