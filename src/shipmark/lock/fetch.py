"""The one downloader: files by their sha256, verified while they stream, resumed when cut off.

Below `cache`:

    sha256/<hex>     a whole file; its name is its hash
    partial/<hex>    what has come of it; held by an advisory lock while one process fetches it
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from shipmark.errors import DigestMismatch, DownloadFailed, ShipmarkError
from shipmark.lock import side_by_side
from shipmark.lock.atomic import held
from shipmark.lock.credentials import public
from shipmark.lock.faults import Gone, Interrupted
from shipmark.lock.side_by_side import Cancelled
from shipmark.lock.transport import CHUNK_BYTES, Transport, local_path, open_local
from shipmark.progress import Progress, Silent, Task
from shipmark.store.disk import explained

if TYPE_CHECKING:
    import httpx

AT_ONCE = 8
"""Files downloaded at the same time."""

_LARGEST_BYTES = 32 << 30
"""A file whose size nobody promised is read no further than this."""

_SLACK_BYTES = 1 << 20
"""How far past its promised size a wrong file is read, so that its hash can be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to download."""

    url: str
    sha256: str
    size: int | None = None
    """In bytes; None where nobody has said."""
    name: str
    """What a person calls it."""
    if_gone: str = ""
    """What to do when the source does not have it any more."""
    otherwise: "Callable[[], Wanted] | None" = None
    """Looks for another source, when this one did not give it."""


class Downloads:
    """The download cache, and the way to fill it."""

    def __init__(self, cache: Path, transport: Transport) -> None:
        self.transport = transport
        self._whole = cache / "sha256"
        self._partial = cache / "partial"

    def path(self, sha256: str) -> Path:
        """Where the file lies, whether or not it is there."""
        return self._whole / sha256

    def fetch_all(
        self, wanted: Iterable[Wanted], *, progress: Progress, label: str
    ) -> dict[str, Path]:
        """Fetch what is not there yet, several at a time; returns paths by sha256.

        Raises:
            DigestMismatch: A source gave other bytes.
            DownloadFailed: A source could not be read.
        """
        all_wanted = {each.sha256: each for each in wanted}
        missing = [each for each in all_wanted.values() if not self.path(each.sha256).exists()]
        if missing:
            sizes = [each.size for each in missing]
            total = sum(size for size in sizes if size is not None) if None not in sizes else None
            with progress.task(label, total=total, unit="bytes") as task:
                self._fetch_missing(missing, task)
        return {sha256: self.path(sha256) for sha256 in all_wanted}

    def fetch(self, wanted: Wanted, task: Task | None = None) -> Path:
        """Fetch one file, unless it is there; raises as `fetch_all`."""
        whole = self.path(wanted.sha256)
        if whole.exists():
            return whole
        if task is None:
            with Silent().task("", total=None, unit="bytes") as silent:
                return self.fetch(wanted, silent)
        try:
            return self._fetch_from(wanted, task)
        except (DownloadFailed, DigestMismatch) as error:
            if wanted.otherwise is None or self.transport.cancelled.is_set():
                raise self._explained(wanted, error) from None
        return self.fetch(wanted.otherwise(), task)

    def _explained(self, wanted: Wanted, error: ShipmarkError) -> ShipmarkError:
        """A failure to download, with what it was that is missing."""
        if not isinstance(error, DownloadFailed) or isinstance(error, GivenUp):
            return error
        what = f"{wanted.name} (sha256:{wanted.sha256})"
        if isinstance(error, Gone):
            message = f"{what} is not there any more: {error.message}"
        else:
            message = f"{what} cannot be had: {error.message}"
        advice = wanted.if_gone if isinstance(error, Gone) else error.hint
        by_hand = f"put the file itself at {self.path(wanted.sha256)}"
        return DownloadFailed(message, hint=f"{advice}; or {by_hand}" if advice else by_hand)

    def _fetch_from(self, wanted: Wanted, task: Task) -> Path:
        whole, partial = self.path(wanted.sha256), self._partial / wanted.sha256
        with explained(partial, need_bytes=wanted.size), self._held(partial, whole) as stream:
            if not whole.exists():
                self._fill(_Part(wanted, stream, task))
                stream.flush()
                os.fsync(stream.fileno())
                self._whole.mkdir(parents=True, exist_ok=True)
                partial.rename(whole)
        return whole

    def _fetch_missing(self, missing: list[Wanted], task: Task) -> None:
        # The largest first: the last to finish should be a small one.
        order = sorted(missing, key=lambda each: -(each.size or 0))
        side_by_side.each(
            lambda each: self.fetch(each, task),
            order,
            at_once=AT_ONCE,
            cancelled=self.transport.cancelled,
        )

    def _fill(self, part: "_Part") -> None:
        """Download until `part` is whole; wrong bytes are asked for once more from the start."""
        for last in (False, True):
            self._fill_once(part, fresh=last)
            if part.actual == part.wanted.sha256:
                return
            if last or local_path(part.wanted.url) is not None:
                break
            part.restart()
        self._refuse(part)

    def _fill_once(self, part: "_Part", *, fresh: bool) -> None:
        url = part.wanted.url
        path = local_path(url)
        if path is not None:
            self._copy(path, part)
            return

        def attempt() -> None:
            before = part.size
            try:
                self._receive(part, fresh=fresh)
            except Interrupted as fault:
                fault.progressed = part.size - before >= self.transport.least_progress_bytes
                raise

        if not (part.size and part.actual == part.wanted.sha256):
            self.transport.retrying(url, attempt)

    def _receive(self, part: "_Part", *, fresh: bool) -> None:
        headers = {"Range": f"bytes={part.size}-"} if part.size else {}
        if fresh:
            headers["Cache-Control"] = "no-cache"
        with self.transport.stream(part.wanted.url, headers) as response:
            if not _continues(response, part.size):
                part.restart()
            if response.status_code == 416:
                raise Interrupted("there is nothing to resume")
            for chunk in self.transport.chunks(response):
                if self.transport.cancelled.is_set():
                    raise _cancelled(part)
                if not part.write(chunk):
                    return
            if part.short and "Content-Length" not in response.headers:
                raise Interrupted("the connection ended early")

    def _copy(self, path: Path, part: "_Part") -> None:
        part.restart()
        with open_local(path) as source:
            while chunk := source.read(CHUNK_BYTES):
                if self.transport.cancelled.is_set():
                    raise _cancelled(part)
                if not part.write(chunk):
                    return

    def _refuse(self, part: "_Part") -> None:
        wanted = part.wanted
        actual = f"sha256:{part.actual}"
        if wanted.size is not None and part.size != wanted.size:
            more = "more than " if part.overlong else ""
            actual = f"{actual} ({more}{part.size} bytes, not {wanted.size})"
        part.restart()
        raise DigestMismatch(
            f"{wanted.name}, read from {public(wanted.url)},",
            expected=f"sha256:{wanted.sha256}",
            actual=actual,
            hint="the source gives other bytes than were locked: use another mirror or index, or "
            "lock again with --upgrade and look at what changed",
        )

    @contextmanager
    def _held(self, partial: Path, whole: Path) -> Iterator[BinaryIO]:
        """Open the partial file and keep other threads and processes out of it."""
        with held(partial) as stream:
            try:
                yield stream
            finally:
                stream.flush()
                if whole.exists() or os.fstat(stream.fileno()).st_size == 0:
                    partial.unlink(missing_ok=True)


class _Part:
    """What has come of a file so far, its hash, and how much of it was reported."""

    def __init__(self, wanted: Wanted, stream: BinaryIO, task: Task) -> None:
        self.wanted = wanted
        self.overlong = False
        self._stream = stream
        self._task = task
        self._state = hashlib.sha256()
        self._reported = 0
        self.size = 0
        stream.seek(0)
        while chunk := stream.read(CHUNK_BYTES):
            self._count(chunk)

    @property
    def actual(self) -> str:
        """The hash of what has come."""
        return self._state.hexdigest()

    @property
    def short(self) -> bool:
        """Whether less has come than was promised."""
        return self.wanted.size is not None and self.size < self.wanted.size

    def write(self, chunk: bytes) -> bool:
        """Append; False once this cannot be the promised file any more."""
        self._stream.write(chunk)
        self._count(chunk)
        promised = _LARGEST_BYTES if self.wanted.size is None else self.wanted.size
        self.overlong = self.size > promised + _SLACK_BYTES
        return not self.overlong

    def restart(self) -> None:
        """Forget what has come."""
        self._stream.seek(0)
        self._stream.truncate()
        self._state = hashlib.sha256()
        self.size = 0
        self.overlong = False

    def _count(self, chunk: bytes) -> None:
        self._state.update(chunk)
        self.size += len(chunk)
        if self.size > self._reported:
            self._task.advance(self.size - self._reported)
            self._reported = self.size


def _continues(response: "httpx.Response", size: int) -> bool:
    """Whether the body goes on where the partial file ends."""
    if response.status_code != 206:
        return size == 0
    return bool(response.headers.get("Content-Range", "").startswith(f"bytes {size}-"))


class GivenUp(DownloadFailed, Cancelled):
    """Another download failed before; that failure is the one to tell."""


def _cancelled(part: _Part) -> ShipmarkError:
    return GivenUp(f"the download of {part.wanted.name} was given up")
