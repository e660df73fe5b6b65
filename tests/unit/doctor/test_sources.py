"""Settings, indexes and mirrors: what answers, what does not, and no password in any of it."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipmark.doctor import debian, index, settings
from shipmark.doctor.finding import Finding
from shipmark.errors import LockError, ShipmarkError
from shipmark.lock.sources import Sources
from tests.integration.lock import mirror
from tests.unit.lock.loopback import Fault, Loopback, serving


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving() as loopback:
        loopback.page(
            "/simple/uvicorn/", {"uvicorn-1-py3-none-any.whl": "uvicorn-1-py3-none-any.whl"}
        )
        yield loopback


@pytest.fixture
def sources(server: Loopback, tmp_path: Path) -> Sources:
    return Sources(cache=tmp_path, index_url=f"{server.url}/simple")


def with_login(url: str, login: str) -> str:
    return url.replace("://", f"://{login}@")


def usable(sources: Sources) -> Finding:
    return settings.check(settings.usable(sources))


# -- settings ----------------------------------------------------------------------------


def test_settings_are_told_without_their_passwords(sources: Sources, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine host login me password hunter2\n")
    netrc.chmod(0o600)
    finding = usable(
        replace(
            sources,
            index_url="https://me:hunter2@index.example/simple?token=hunter2",
            proxies={"https": "http://me:hunter2@proxy.example:3128", "no": "localhost"},
            netrc=netrc,
        )
    )

    assert finding.status == "ok"
    assert "https://index.example/simple," in finding.found
    assert "https proxy http://proxy.example:3128" in finding.found
    assert "hunter2" not in str(finding)


@pytest.mark.parametrize("url", ["https://me:hun/ter2@host/simple", "https:///simple"])
def test_a_url_that_is_none_is_not_shown(sources: Sources, url: str) -> None:
    finding = usable(replace(sources, index_url=url))

    assert finding.status == "failed"
    assert finding.found == "the setting of a package index is not a URL with a host"
    assert "hun" not in str(finding)


def test_settings_that_cannot_be_read(sources: Sources, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine\npassword hunter2 nonsense")
    error: ShipmarkError = LockError("pip.conf cannot be read", hint="mend it")

    assert settings.check(error).found == "pip.conf cannot be read"
    assert settings.check(error).mend == "mend it"
    broken = usable(replace(sources, netrc=netrc))
    assert broken.status == "failed"
    assert "hunter2" not in str(broken)


# -- package indexes ---------------------------------------------------------------------


def test_an_index_that_answers(sources: Sources) -> None:
    finding = index.check(sources)

    assert finding.status == "ok"
    assert f"{sources.index_url} answers in 0." in finding.found


def test_one_of_ones_own_beside_it_need_not_have_everything(
    sources: Sources, server: Loopback
) -> None:
    assert index.check(replace(sources, extra_index_urls=(f"{server.url}/own",))).status == "ok"


def test_no_index_has_what_every_image_needs(sources: Sources, server: Loopback) -> None:
    own = replace(sources, index_url=f"{server.url}/own")

    for each in (own, replace(own, no_index=True)):
        finding = index.check(each)
        assert finding.status == "failed"
        assert "uvicorn is not to be had" in finding.found


def test_wheels_in_a_folder_are_enough(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "uvicorn-1-py3-none-any.whl").write_bytes(b"")

    assert index.check(replace(sources, no_index=True, find_links=(str(tmp_path),))).status == "ok"


@pytest.mark.parametrize("login", ["me:hunter2", "hunter2"])
def test_a_refused_password_is_not_shown(sources: Sources, server: Loopback, login: str) -> None:
    server.logins["/"] = "me:another"

    finding = index.check(replace(sources, index_url=with_login(sources.index_url, login)))

    assert finding.status == "failed"
    assert "answered 401" in finding.found
    assert "user name and password" in finding.mend
    assert "hunter2" not in str(finding)


def test_the_right_password_is_taken(sources: Sources, server: Loopback) -> None:
    server.logins["/"] = "me:hunter2"

    finding = index.check(replace(sources, index_url=with_login(sources.index_url, "me:hunter2")))

    assert finding.status == "ok"
    assert "hunter2" not in str(finding)


def test_nobody_answers(sources: Sources) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    finding = index.check(replace(sources, index_url=f"http://127.0.0.1:{port}/simple"))

    assert finding.status == "failed"
    assert "cannot be read" in finding.found
    assert finding.mend


def test_an_index_that_falls_silent(
    sources: Sources, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "ANSWER_S", 0.5)
    server.fail("/simple/uvicorn/", Fault(stall_at=3))

    finding = index.check(replace(sources, index_url=with_login(sources.index_url, "me:hunter2")))

    assert finding.status == "failed"
    assert finding.found == f"{sources.index_url} gave no answer within 0.5 s"


# -- Debian mirrors ----------------------------------------------------------------------


@pytest.fixture
def debian_sources(sources: Sources, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> Sources:
    monkeypatch.setattr(debian, "archive_keys", mirror.archive_keys)
    return replace(sources, mirrors=mirror.Mirror(server).roots)


def test_a_mirror_of_debian(debian_sources: Sources) -> None:
    finding = debian.check(debian_sources, now=lambda: mirror.NOW)

    assert finding.status == "ok"
    assert f"{debian_sources.mirrors['debian-security']} answers in" in finding.found


@pytest.mark.parametrize(
    ("away", "said"), [(timedelta(days=30), "was valid until"), (-timedelta(days=3), "is dated")]
)
def test_an_index_that_does_not_hold_now(
    debian_sources: Sources, away: timedelta, said: str
) -> None:
    finding = debian.check(debian_sources, now=lambda: mirror.NOW + away)

    assert finding.status == "failed"
    assert said in finding.found
    assert "clock" in finding.mend


def test_a_mirror_that_gives_other_bytes(debian_sources: Sources, server: Loopback) -> None:
    server.files["/debian/dists/bookworm/InRelease"] = b"<html>Please log in</html>"

    finding = debian.check(debian_sources, now=lambda: mirror.NOW)

    assert finding.status == "failed"
    assert "is not signed by a key of Debian's archive" in finding.found
    assert "debian-security" not in finding.found, "the other one is well"


def test_a_mirror_of_something_else(debian_sources: Sources, server: Loopback) -> None:
    mirrors = dict.fromkeys(debian_sources.mirrors, f"{server.url}/ubuntu")

    finding = debian.check(replace(debian_sources, mirrors=mirrors), now=lambda: datetime.now(UTC))

    assert finding.status == "failed"
    assert "answered 404" in finding.found
    assert "SHIPMARK_DEBIAN_MIRROR" in finding.mend
