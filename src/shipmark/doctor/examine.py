"""Run checks side by side, each for a bounded time; whatever goes wrong in one is a finding."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import msgspec

from shipmark.doctor.finding import Finding
from shipmark.errors import ShipmarkError

TIMEOUT_S = 10.0
"""How long a check may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question to this host."""

    run: Callable[[], Finding]
    why: str
    """What does not work when the answer is bad."""


def examine(
    checks: Mapping[str, Check], *, timeout_s: float = TIMEOUT_S
) -> Iterator[tuple[str, Finding]]:
    """Run the checks all at once; gives their findings by name, in the order of the table."""
    deadline = time.monotonic() + timeout_s
    pending = {name: _started(name, check) for name, check in checks.items()}
    for name, result in pending.items():
        try:
            finding = result.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            finding = Finding.failed(
                f"{name} gave no answer within {timeout_s:g} s",
                mend="something that was looked at hangs, such as a disk or a name server",
            )
        if finding.status != "ok" and not finding.why:
            finding = msgspec.structs.replace(finding, why=checks[name].why)
        yield name, finding


def _started(name: str, check: Check) -> Future[Finding]:
    result: Future[Finding] = Future()
    # Not a pool: its threads would be waited for at the end, and one may hang for ever.
    threading.Thread(
        target=lambda: result.set_result(_finding(check)), name=f"check {name}", daemon=True
    ).start()
    return result


def _finding(check: Check) -> Finding:
    try:
        return check.run()
    except ShipmarkError as error:
        return Finding.of(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return Finding.failed(
            f"{place}{(error.strerror or str(error)).lower()}",
            mend="see that this user may use it, and what the check `disk` says",
        )
    except Exception as error:  # noqa: BLE001 - a broken check is a finding, never a traceback
        # Not its message, which may quote what it could not read, secrets and all.
        at = traceback.extract_tb(error.__traceback__)[-1]
        return Finding.failed(
            f"the check itself broke: {type(error).__name__} in {at.filename}:{at.lineno}",
            mend="this is a fault in Shipmark; please report it",
        )
