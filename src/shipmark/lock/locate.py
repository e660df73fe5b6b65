"""Where a locked wheel can be had on this host: the lock itself names no places."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from shipmark import digest as digests
from shipmark.errors import DigestMismatch, DownloadFailed
from shipmark.lock import atomic, simple
from shipmark.lock.credentials import public
from shipmark.lock.fetch import Wanted
from shipmark.lock.lock import Wheel
from shipmark.lock.simple import Offer
from shipmark.lock.transport import Transport, local_path

_HINT = "lock again with --upgrade NAME, or add the index or directory that has it"


class Places:
    """Remembers, below the cache, where files were found: sha256 -> URL without credentials."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "places"
        self._beside = cache / "tmp"

    def remember(self, sha256: str, url: str) -> None:
        """Remember a place."""
        if self.recall(sha256) != url:
            atomic.replace(
                self._folder / sha256, url.encode(), beside=self._beside / f"place-{sha256}"
            )

    def recall(self, sha256: str) -> str | None:
        """The place, if one is remembered."""
        try:
            return (self._folder / sha256).read_text()
        except OSError:
            return None

    def forget(self, sha256: str) -> None:
        """The place did not have it."""
        (self._folder / sha256).unlink(missing_ok=True)


def locate(wheel: Wheel, transport: Transport, places: Places) -> Wanted:
    """Find a wheel by file name and hash in the directories and indexes of this host.

    Where it was found before it is asked for first, and looked up anew if it is not there.

    Raises:
        DigestMismatch: It is only there with other bytes.
        DownloadFailed: It is nowhere, or an index cannot be read.
    """
    remembered = places.recall(wheel.sha256)
    if remembered is None:
        try:
            url = _look_up(wheel, transport)
        except DownloadFailed as error:
            raise DownloadFailed(
                f"{wheel.filename} (sha256:{wheel.sha256}) cannot be found: {error.message}",
                hint=error.hint,
            ) from None
        places.remember(wheel.sha256, url)
        return _wanted(wheel, url)

    def otherwise() -> Wanted:
        places.forget(wheel.sha256)
        return locate(wheel, transport, places)

    return replace(_wanted(wheel, remembered), otherwise=otherwise)


def _wanted(wheel: Wheel, url: str) -> Wanted:
    return Wanted(url=url, sha256=wheel.sha256, size=wheel.size, name=wheel.filename, if_gone=_HINT)


def _look_up(wheel: Wheel, transport: Transport) -> str:
    others: list[tuple[str, str]] = []
    unsaid: list[str] = []
    for offer in _offers(wheel, transport):
        sha256 = offer.sha256 or _of_local(offer.url)
        if sha256 == wheel.sha256:
            return offer.url
        if sha256 is None:
            unsaid.append(offer.url)
        else:
            others.append((offer.url, sha256))
    if unsaid:
        return unsaid[0]
    if others:
        url, sha256 = others[0]
        raise DigestMismatch(
            f"{wheel.filename}, offered at {public(url)},",
            expected=digests.from_hex(wheel.sha256),
            actual=digests.from_hex(sha256),
            hint="the file was replaced since it was locked: "
            f"lock again with --upgrade {wheel.name} and look at what changed",
        )
    raise DownloadFailed("it is in no index or directory of this host", hint=_HINT)


def _offers(wheel: Wheel, transport: Transport) -> Iterator[Offer]:
    sources = transport.sources
    for place in sources.find_links:
        yield from _named(wheel, simple.links(transport, place))
    for index in sources.indexes:
        yield from _named(wheel, simple.project(transport, index, wheel.name))


def _named(wheel: Wheel, offers: list[Offer]) -> Iterator[Offer]:
    return (offer for offer in offers if offer.filename == wheel.filename)


def _of_local(url: str) -> str | None:
    path = local_path(url)
    if path is not None:
        with suppress(OSError), path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    return None
