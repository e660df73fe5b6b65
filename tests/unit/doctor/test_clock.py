"""The check of the clock believes the `Date` of a server, also where its certificate fails."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from shipmark.doctor import clock
from shipmark.doctor.finding import Finding
from shipmark.lock.sources import Sources
from tests.unit.doctor.servers import certificate, telling

NOWHERE = "http://127.0.0.1:9"


def now() -> datetime:
    return datetime.now(UTC)


def check(tmp_path: Path, url: str, here: clock.Now = now) -> Finding:
    sources = Sources(
        cache=tmp_path, index_url=f"{NOWHERE}/simple", mirrors={"debian": f"{url}/debian"}
    )
    return clock.check(sources, now=here)


@pytest.mark.parametrize(
    ("ahead", "status", "said"),
    [
        (timedelta(0), "ok", "differs from"),
        (timedelta(minutes=2), "warning", "ahead of"),
        (timedelta(minutes=-2), "warning", "behind"),
        (timedelta(days=-400), "failed", "behind"),
        (timedelta(hours=1), "failed", "ahead of"),
    ],
)
def test_a_server_tells_the_time(tmp_path: Path, ahead: timedelta, status: str, said: str) -> None:
    there = now() - ahead
    with telling(format_datetime(there, usegmt=True)) as url:
        finding = check(tmp_path, url)

    assert finding.status == status
    assert said in finding.found
    if status != "ok":
        assert f"date -u -s '{there:%Y-%m-%d %H:%M}" in finding.mend


@pytest.mark.needs("openssl")
def test_a_clock_so_wrong_that_certificates_fail(tmp_path: Path) -> None:
    there = now() + timedelta(days=400)
    with telling(format_datetime(there, usegmt=True), certificate(tmp_path, days=-1)) as url:
        finding = check(tmp_path, url)

    assert finding.status == "failed"
    assert re.match(r"(400 days, 0|399 days, 23):\d\d:\d\d behind", finding.found)


def test_a_date_that_is_none(tmp_path: Path) -> None:
    with telling("yesterday") as url:
        assert check(tmp_path, url).status == "warning"


def test_nobody_to_ask(tmp_path: Path) -> None:
    finding = check(tmp_path, NOWHERE)

    assert finding.status == "warning"
    assert "no server answers" in finding.found
    assert clock.check(None, now=now).status == "warning"


def test_nobody_to_ask_and_a_time_before_shipmark_was_installed(tmp_path: Path) -> None:
    finding = check(tmp_path, NOWHERE, lambda: datetime(2000, 1, 1, tzinfo=UTC))

    assert finding.status == "failed"
    assert "it is 2000-01-01 00:00:00 UTC here, and Shipmark was installed at 20" in finding.found


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    def jumping() -> Iterator[datetime]:
        yield now() - timedelta(seconds=30)
        while True:
            yield now()

    times = jumping()
    with telling(format_datetime(now(), usegmt=True)) as url:
        finding = check(tmp_path, url, lambda: next(times))

    assert finding.status == "warning"
    assert "jumped by +30." in finding.found


def test_hosts_that_are_reached_without_the_proxy(tmp_path: Path) -> None:
    with telling(format_datetime(now(), usegmt=True)) as url:
        mirrors = {"debian": f"{url}/debian"}
        proxies = {"http": "http://me:hunter2@127.0.0.1:9", "no": "localhost, 127.0.0.1"}
        sources = Sources(cache=tmp_path, no_index=True, mirrors=mirrors, proxies=proxies)
        assert clock.check(sources, now=now).status == "ok"

        sources = Sources(
            cache=tmp_path, no_index=True, mirrors=mirrors, proxies=proxies | {"no": "27.0.0.1"}
        )
        finding = clock.check(sources, now=now)
        assert finding.status == "warning"
        assert "hunter2" not in str(finding)
