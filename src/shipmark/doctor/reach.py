"""Ask an index or mirror once, with the settings of a download, and take the time."""

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from shipmark.doctor.finding import Finding
from shipmark.errors import DownloadFailed
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport

ANSWER_S = 9.0
"""How long to wait for an answer: less than a check may take."""

_CONNECT_S = 5.0
_SILENCE_S = 7.0
_SLOW_S = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    duration_s: float
    """Until the head of the answer was there."""
    date: str
    """Its `Date`; empty where it has none."""


def patient(sources: Sources) -> Sources:
    """The same sources, asked once and not for longer than a check may take."""
    return replace(sources, attempts=1, connect_timeout_s=_CONNECT_S, read_timeout_s=_SILENCE_S)


def ask(transport: Transport, url: str) -> Answer:
    """Request `url` and leave the body where it is.

    Raises:
        Gone: The server is there and has nothing under this URL.
        DownloadFailed: There is no answer, or a refusal.
    """

    def attempt() -> Answer:
        started = time.monotonic()
        with transport.stream(url, {}) as response:
            return Answer(time.monotonic() - started, response.headers.get("Date", ""))

    return transport.retrying(url, attempt)


def certificate_fault(error: DownloadFailed) -> ssl.SSLCertVerificationError | None:
    """Why the server's certificate was not taken, where that is why there was no answer."""
    causes = (each for each in _causes(error) if isinstance(each, ssl.SSLCertVerificationError))
    return next(causes, None)


def was_answered(error: DownloadFailed) -> bool:
    """Whether the server answered, if only with a refusal."""
    return not any(isinstance(each, OSError) for each in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def timed(what: str, duration_s: float) -> Finding:
    """It answered: quickly, or so slowly that it should be known."""
    found = f"{what} answers in {duration_s:.2f} s"
    if duration_s < _SLOW_S:
        return Finding.ok(found)
    return Finding.warning(
        found,
        why="locking asks dozens of times, so it will take minutes",
        mend="name a nearer one in the settings, or look at the proxy",
    )
