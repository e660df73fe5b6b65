"""Whether the package indexes answer, and one of them has what every image needs."""

import time
from collections.abc import Callable
from functools import partial

from shipmark.doctor.examine import Check, examine
from shipmark.doctor.finding import Finding, together
from shipmark.doctor.reach import ANSWER_S, patient, timed
from shipmark.lock import simple
from shipmark.lock.credentials import public
from shipmark.lock.simple import Offer
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport

_NEEDED = "uvicorn"
"""A project that the server in every image is made of."""


def check(sources: Sources) -> Finding:
    """Ask every index, and every place of find-links, for a project."""
    having: list[str] = []
    with Transport(patient(sources)) as transport:
        checks = {
            public(url): Check(run=partial(_ask, offers, public(url), having), why="")
            for url, offers in _questions(transport).items()
        }
        findings = [finding for _, finding in examine(checks, timeout_s=ANSWER_S)]
    if not having and all(finding.status == "ok" for finding in findings):
        return Finding.failed(
            f"{_NEEDED} is not to be had from {', '.join(checks) or 'any place'}",
            why="the server in every image needs it: nothing can be locked",
            mend="name an index that has all of PyPI (UV_DEFAULT_INDEX, PIP_INDEX_URL), and your "
            "own beside it (UV_INDEX, PIP_EXTRA_INDEX_URL)",
        )
    return together(findings)


def _questions(transport: Transport) -> dict[str, Callable[[], list[Offer]]]:
    sources = transport.sources
    return {
        **{url: partial(simple.project, transport, url, _NEEDED) for url in sources.indexes},
        **{url: partial(simple.links, transport, url) for url in sources.find_links},
    }


def _ask(offers: Callable[[], list[Offer]], place: str, having: list[str]) -> Finding:
    started = time.monotonic()
    found = offers()
    if any(offer.filename.startswith(f"{_NEEDED}-") for offer in found):
        having.append(place)
    return timed(place, time.monotonic() - started)
