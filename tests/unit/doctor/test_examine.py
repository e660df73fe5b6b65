"""Checks run side by side, for a bounded time, and a broken one is a finding, never a traceback."""

import threading
import time
from collections.abc import Callable

from shipmark.doctor.examine import Check, examine
from shipmark.doctor.finding import Finding, together
from shipmark.errors import DownloadFailed


def only(run: Callable[[], Finding], why: str = "") -> Finding:
    ((_, finding),) = examine({"it": Check(run=run, why=why)}, timeout_s=5)
    return finding


def test_they_run_side_by_side_and_come_in_order() -> None:
    meeting = threading.Barrier(3, timeout=5)

    def check(name: str) -> Callable[[], Finding]:
        def run() -> Finding:
            meeting.wait()  # only passed when all three are there
            return Finding.ok(name)

        return run

    found = list(examine({name: Check(run=check(name), why="") for name in "cab"}))

    assert [(name, each.found) for name, each in found] == [("c", "c"), ("a", "a"), ("b", "b")]


def test_one_that_hangs_is_a_failure_and_holds_nobody_up() -> None:
    never = threading.Event()

    def hang() -> Finding:
        never.wait(30)
        return Finding.ok("")

    begin = time.monotonic()
    found = dict(
        examine(
            {
                "slow": Check(run=hang, why="nothing works"),
                "quick": Check(run=lambda: Finding.ok("fine"), why=""),
            },
            timeout_s=0.2,
        )
    )
    never.set()

    assert time.monotonic() - begin < 2
    assert found["slow"].status == "failed"
    assert found["slow"].found == "slow gave no answer within 0.2 s"
    assert found["slow"].why == "nothing works"
    assert found["quick"] == Finding.ok("fine")


def test_an_error_of_ours_keeps_its_message_and_hint() -> None:
    def run() -> Finding:
        raise DownloadFailed("it is gone", hint="look elsewhere")

    finding = only(run, why="no bytes")

    assert (finding.found, finding.mend, finding.why) == (
        "it is gone",
        "look elsewhere",
        "no bytes",
    )
    assert finding.status == "failed"


def test_a_refusal_of_the_system_names_the_file() -> None:
    def run() -> Finding:
        raise PermissionError(13, "Permission denied", "/etc/shadow")

    assert only(run).found == "/etc/shadow: permission denied"


def test_any_other_error_says_where_and_quotes_nothing() -> None:
    def run() -> Finding:
        raise ValueError("https://user:hunter2@host/ is no URL")

    finding = only(run)

    assert "ValueError in " in finding.found
    assert "test_examine.py" in finding.found
    assert "hunter2" not in str(finding)


def test_together_tells_only_of_what_is_not_well() -> None:
    fine, also = Finding.ok("a"), Finding.ok("b")
    slow = Finding.warning("c", why="w", mend="m")
    broken = Finding.failed("d", why="w", mend="n")

    assert together([fine, also]) == Finding.ok("a; b")
    assert together([fine, slow]) == slow
    assert together([slow, fine, broken]) == Finding(
        status="failed", found="c\nd", why="w", mend="m\nn"
    )
