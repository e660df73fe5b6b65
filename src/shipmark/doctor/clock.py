"""Whether this host's clock agrees with the servers it downloads from."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

import shipmark
from shipmark.doctor.finding import Finding
from shipmark.lock.credentials import bare
from shipmark.lock.sources import Sources

Now = Callable[[], datetime]

_FAILED = timedelta(minutes=5)
_WARNING = timedelta(minutes=1)
_JUMP = timedelta(seconds=1)
_TIMEOUT_S = 3.0
_ASKED_S = 6.0
_MEND = "timedatectl set-ntp true, or set it by hand: date -u -s"


def check(sources: Sources | None, *, now: Now) -> Finding:
    """Compare with the `Date` of an answer, and the wall clock with the monotonic one.

    Args:
        sources: Whom to ask; None where the settings cannot be read.
        now: Tells the time of this host.
    """
    begin, started_s = now(), time.monotonic()
    finding = _compared(sources, now)
    jump = now() - begin - timedelta(seconds=time.monotonic() - started_s)
    if finding.status == "ok" and abs(jump) > _JUMP:
        return Finding.warning(
            f"the clock jumped by {jump.total_seconds():+.1f} s while it was looked at",
            why="times in logs and states of deployments are not in order",
            mend="look at what sets it: two time services, or the host of a virtual machine",
        )
    return finding


def _compared(sources: Sources | None, now: Now) -> Finding:
    until = time.monotonic() + _ASKED_S
    for origin in _origins(sources) if sources else ():
        there = _date(sources, origin) if sources and time.monotonic() < until else None
        if there is not None:
            return _difference(now() - there, there, origin)
    installed = datetime.fromtimestamp(Path(shipmark.__file__).stat().st_mtime, UTC)
    if installed > now() + _FAILED:
        return Finding.failed(
            f"it is {_text(now())} here, and Shipmark was installed at {_text(installed)}",
            mend=f"{_MEND} ...",
        )
    return Finding.warning(
        f"it is {_text(now())} here; no server answers to compare that with",
        mend="see the checks `settings`, `index` and `debian`",
    )


def _difference(ahead: timedelta, there: datetime, origin: str) -> Finding:
    size = timedelta(seconds=abs(round(ahead.total_seconds())))
    if size <= _WARNING:
        return Finding.ok(f"differs from {origin} by {size.total_seconds():g} s")
    way = "ahead of" if ahead > timedelta(0) else "behind"
    found = f"{size} {way} {origin}, where it is {_text(there)}"
    mend = f"{_MEND} '{there:%Y-%m-%d %H:%M:%S}'"
    if size <= _FAILED:
        return Finding.warning(found, mend=mend)
    return Finding.failed(found, mend=mend)


def _origins(sources: Sources) -> Iterator[str]:
    seen = set()
    for url in (*sources.mirrors.values(), *sources.indexes):
        parts = urlsplit(bare(url))
        origin = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme in {"http", "https"} and origin not in seen:
            seen.add(origin)
            yield origin


def _date(sources: Sources, origin: str) -> datetime | None:
    try:
        # A clock that is far off is just what makes a good certificate fail. Nothing is sent, and
        # nothing but the date is believed, for this advice alone.
        with httpx.Client(
            verify=False,  # noqa: S501 - the reason stands above
            trust_env=False,
            proxy=_proxy(sources, origin),
            timeout=_TIMEOUT_S,
        ) as client:
            there = parsedate_to_datetime(client.head(f"{origin}/").headers["Date"])
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None
    return there.replace(tzinfo=UTC) if there.tzinfo is None else there


def _proxy(sources: Sources, origin: str) -> str | None:
    parts = urlsplit(origin)
    host = parts.hostname or ""
    for direct in map(str.strip, sources.proxies.get("no", "").split(",")):
        if direct == "*" or (direct and f".{host}".endswith(f".{direct.lstrip('.')}")):
            return None
    return sources.proxies.get(parts.scheme) or sources.proxies.get("all")


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
