"""Logins go where they belong and are shown nowhere."""

from pathlib import Path

import pytest

from shipmark.errors import LockError
from shipmark.lock.credentials import Credentials, bare, public
from shipmark.lock.sources import Sources


def sources(tmp_path: Path, *urls: str, netrc: str | None = None) -> Sources:
    path = None
    if netrc is not None:
        path = tmp_path / "netrc"
        path.write_text(netrc)
    return Sources(cache=tmp_path, extra_index_urls=urls, netrc=path)


@pytest.mark.parametrize(
    ("url", "shown", "asked"),
    [
        ("https://u:p@h:8/a/?t=1#x", "https://h:8/a/", "https://h:8/a/?t=1#x"),
        ("https://token@h/a", "https://h/a", "https://h/a"),
        ("file:///opt/a%20b", "file:///opt/a%20b", "file:///opt/a%20b"),
        ("/opt/wheels", "/opt/wheels", "/opt/wheels"),
    ],
)
def test_urls_without_their_logins(url: str, shown: str, asked: str) -> None:
    assert (public(url), bare(url)) == (shown, asked)


def test_a_login_holds_for_its_origin_and_no_other(tmp_path: Path) -> None:
    known = Credentials(sources(tmp_path, "https://ada:p%40ss@index.corp/simple"))
    assert known.login("https://index.corp/files/x.whl") == ("ada", "p@ss")
    assert known.login("https://index.corp:443/files/x.whl") == ("ada", "p@ss")
    for other in ("http://index.corp/x", "https://index.corp:8443/x", "https://evil.corp/x"):
        assert known.login(other) is None


def test_of_several_logins_the_one_with_the_nearest_path_is_taken(tmp_path: Path) -> None:
    known = Credentials(
        sources(
            tmp_path,
            "https://a:1@git.corp/projects/1/simple",
            "https://b:2@git.corp/projects/2/simple",
        )
    )
    assert known.login("https://git.corp/projects/2/files/x.whl") == ("b", "2")
    assert known.login("https://git.corp/projects/1/simple/x/") == ("a", "1")


def test_netrc_answers_for_hosts_it_names_and_default_for_none(tmp_path: Path) -> None:
    known = Credentials(
        sources(
            tmp_path,
            netrc="machine index.corp login ada password s3cret\ndefault login x password y\n",
        )
    )
    assert known.login("https://index.corp/simple/") == ("ada", "s3cret")
    assert known.login("https://pypi.org/simple/") is None


def test_a_broken_netrc_is_named_and_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        Credentials(sources(tmp_path, netrc="machine index.corp\nlogin ada pasword s3cret\n"))
    assert f"{tmp_path}/netrc, line" in caught.value.message
    assert "s3cret" not in caught.value.message


def test_other_programs_are_quoted_without_secrets(tmp_path: Path) -> None:
    known = Credentials(
        sources(tmp_path, "https://ada:p%40ss@h/simple", netrc="machine m login l password s3cret")
    )
    said = known.redact("https://ada:p%40ss@h/simple said 401 to p@ss and s3cret")
    assert said == "https://h/simple said 401 to **** and ****"


def test_sources_do_not_show_their_logins(tmp_path: Path) -> None:
    assert "p%40ss" not in repr(sources(tmp_path, "https://ada:p%40ss@h/simple"))
