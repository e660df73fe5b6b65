"""The signed list of a suite's indexes: `InRelease`.

Source: Debian Policy and the repository format, https://wiki.debian.org/DebianRepository/Format.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from importlib import resources

from pysequoia import Cert, verify

from shipmark.errors import DownloadFailed

_ENTRY = re.compile(r"^ ([0-9a-f]{64})\s+(\d+)\s+(\S+)$")
_CLOCK_SKEW = timedelta(hours=24)
_HINT = "try again later or name another mirror (SHIPMARK_DEBIAN_MIRROR)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One file of the suite."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What the suite's `InRelease` says, after its signature was checked."""

    codename: str
    date: datetime
    digest: str
    """SHA-256 of what was signed."""
    by_hash: bool
    """Indexes may be asked for by hash, so that they cannot change underway."""
    files: dict[str, Listed]


@cache
def archive_keys() -> tuple[Cert, ...]:
    """The public keys of Debian's archive, which come with Shipmark.

    Source: the package debian-archive-keyring, for bookworm and trixie.
    """
    folder = resources.files("shipmark.lock.debian") / "keys"
    return tuple(
        Cert.from_bytes(file.read_bytes())
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".asc")
    )


def read(signed: bytes, *, suite: str, url: str, now: datetime, keys: Sequence[Cert]) -> Release:
    """Check an `InRelease` and read it.

    Args:
        signed: The file as it came.
        suite: The code name it must speak of: a genuine file of another suite is no answer.
        url: Where it came from, for messages.
        now: The current time.
        keys: One of them must have signed it.

    Raises:
        DownloadFailed: It is not signed by Debian, of another suite, or out of date.
    """
    try:
        verified = verify(bytes=signed, store=lambda _: list(keys))
    except Exception as error:  # noqa: BLE001 - pysequoia raises bare Exceptions
        raise DownloadFailed(
            f"{url} is not signed by a key of Debian's archive: {error}",
            hint="the mirror, or something on the way to it, gives a file that is not Debian's",
        ) from None
    content = verified.bytes
    if not verified.valid_sigs or content is None:
        raise DownloadFailed(f"{url} is not signed by a key of Debian's archive", hint=_HINT)
    fields, files = _parse(content.decode())
    if fields.get("Codename") != suite:
        raise DownloadFailed(
            f"{url} is the index of {fields.get('Codename')}, not of {suite}",
            hint="the mirror's address should end at the archive: .../debian",
        )
    date = _moment(fields, "Date", url)
    if date is None:
        raise DownloadFailed(f"{url} has no date", hint=_HINT)
    if date > now + _CLOCK_SKEW:
        raise DownloadFailed(
            f"{url} is dated {date:%Y-%m-%d %H:%M} UTC, but it is {now:%Y-%m-%d %H:%M} here",
            hint="set this host's clock",
        )
    until = _moment(fields, "Valid-Until", url)
    if until is not None and until < now:
        raise DownloadFailed(
            f"{url} was valid until {until:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}",
            hint=f"the mirror no longer follows Debian, or this host's clock is wrong; {_HINT}",
        )
    return Release(
        codename=suite,
        date=date,
        digest=hashlib.sha256(content).hexdigest(),
        by_hash=fields.get("Acquire-By-Hash") == "yes",
        files=files,
    )


def _parse(text: str) -> tuple[dict[str, str], dict[str, Listed]]:
    fields: dict[str, str] = {}
    files: dict[str, Listed] = {}
    section = ""
    for line in text.splitlines():
        if not line.startswith(" "):
            section, _, value = line.partition(":")
            fields[section] = value.strip()
        elif section == "SHA256" and (entry := _ENTRY.match(line)):
            files[entry[3]] = Listed(sha256=entry[1], size=int(entry[2]))
    return fields, files


def _moment(fields: dict[str, str], name: str, url: str) -> datetime | None:
    if name not in fields:
        return None
    try:
        return parsedate_to_datetime(fields[name].replace("UTC", "+0000"))
    except ValueError:
        raise DownloadFailed(f"{url} has an unreadable {name}: {fields[name]!r}") from None
