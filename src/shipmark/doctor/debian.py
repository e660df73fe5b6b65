"""Whether the Debian mirrors answer, with an index that Debian signed and that still holds."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from shipmark.doctor.examine import Check, examine
from shipmark.doctor.finding import Finding, together
from shipmark.doctor.reach import ANSWER_S, patient, timed
from shipmark.lock.credentials import public
from shipmark.lock.debian.release import archive_keys, read
from shipmark.lock.faults import Gone
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport

_SUITES = {"debian": "bookworm", "debian-security": "bookworm-security"}
"""Archive -> what it is asked for: the suite of an image that names none."""

_MEND = (
    "SHIPMARK_DEBIAN_MIRROR and SHIPMARK_DEBIAN_SECURITY_MIRROR name an archive's root, such as "
    "https://deb.debian.org/debian and https://deb.debian.org/debian-security"
)


def check(sources: Sources, *, now: Callable[[], datetime]) -> Finding:
    """Read the index of each archive and check its signature and its dates."""
    with Transport(patient(sources)) as transport:
        checks = {
            public(root): Check(run=partial(_read, transport, archive, root, now), why="")
            for archive, root in sources.mirrors.items()
        }
        return together([finding for _, finding in examine(checks, timeout_s=ANSWER_S)])


def _read(transport: Transport, archive: str, root: str, now: Callable[[], datetime]) -> Finding:
    suite = _SUITES[archive]
    started = time.monotonic()
    try:
        document = transport.document(f"{root.rstrip('/')}/dists/{suite}/InRelease")
    except Gone as error:
        return Finding.failed(error.message, mend=_MEND)
    duration_s = time.monotonic() - started
    read(document.body, suite=suite, url=public(document.url), now=now(), keys=archive_keys())
    return timed(public(root), duration_s)
