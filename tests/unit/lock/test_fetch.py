"""Downloads come whole and right through every fault of a server, or fail with a sentence."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipmark.errors import DigestMismatch, DownloadFailed, ShipmarkError
from shipmark.lock.fetch import Downloads, Wanted
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport
from shipmark.progress import Silent
from tests.unit.lock.loopback import Fault, Loopback, serving

BODY = os.urandom(3 << 20)
SHA256 = hashlib.sha256(BODY).hexdigest()
PATH = "/pool/thing.deb"


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving() as loopback:
        loopback.files[PATH] = BODY
        yield loopback


@contextmanager
def downloads(cache: Path, *, read_timeout_s: float = 20.0) -> Iterator[Downloads]:
    sources = Sources(cache=cache, read_timeout_s=read_timeout_s, back_off_s=0.01)
    with Transport(sources) as transport:
        yield Downloads(cache, transport)


def wanted(server: Loopback, *, size: int | None = len(BODY), path: str = PATH) -> Wanted:
    return Wanted(url=server.url + path, sha256=SHA256, size=size, name="thing", if_gone="look on")


class Counting(Silent):
    """Adds up what was reported."""

    def __init__(self) -> None:
        self.reported = 0

    def advance(self, amount: int) -> None:
        self.reported += amount


def test_a_file_comes_whole_and_is_named_by_its_hash(server: Loopback, tmp_path: Path) -> None:
    with downloads(tmp_path) as here:
        path = here.fetch(wanted(server))
    assert path == tmp_path / "sha256" / SHA256
    assert path.read_bytes() == BODY
    assert list((tmp_path / "partial").iterdir()) == []


def test_what_is_cached_needs_no_network(server: Loopback, tmp_path: Path) -> None:
    with downloads(tmp_path) as here:
        here.fetch(wanted(server))
        server.requests.clear()
        again = here.fetch_all([wanted(server)], progress=Silent(), label="")
    assert again[SHA256].read_bytes() == BODY
    assert server.requests == []


@pytest.mark.parametrize("cut_at", [0, 1, 1_000_000])
def test_a_connection_that_is_cut_off_is_resumed(
    server: Loopback, tmp_path: Path, cut_at: int
) -> None:
    server.fail(PATH, Fault(cut_at=cut_at))
    counting = Counting()
    with downloads(tmp_path) as here:
        assert here.fetch(wanted(server), counting).read_bytes() == BODY
    second = server.asked(PATH)[1]
    assert second.headers.get("Range", "bytes=0-") == f"bytes={cut_at}-"
    assert counting.reported == len(BODY)


def test_a_flaky_server_is_asked_as_long_as_something_comes(
    server: Loopback, tmp_path: Path
) -> None:
    server.fail(PATH, *[Fault(cut_at=300_000)] * 8)
    with downloads(tmp_path) as here:
        assert here.fetch(wanted(server)).read_bytes() == BODY
    assert len(server.asked(PATH)) == 9


def test_what_a_killed_process_left_is_resumed(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / SHA256).write_bytes(BODY[:1_000_000])
    with downloads(tmp_path) as here:
        assert here.fetch(wanted(server)).read_bytes() == BODY
    assert [request.headers["Range"] for request in server.requests] == ["bytes=1000000-"]


@pytest.mark.parametrize("left", [b"something else", os.urandom(4 << 20)])
def test_what_was_left_and_is_wrong_is_fetched_anew(
    server: Loopback, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / SHA256).write_bytes(left)
    with downloads(tmp_path) as here:
        assert here.fetch(wanted(server, size=None)).read_bytes() == BODY


def test_a_server_that_falls_silent_is_left_and_asked_again(
    server: Loopback, tmp_path: Path
) -> None:
    server.fail(PATH, Fault(stall_at=1_000_000))
    with downloads(tmp_path, read_timeout_s=0.3) as here:
        assert here.fetch(wanted(server)).read_bytes() == BODY
    assert server.asked(PATH)[1].headers["Range"] == "bytes=1000000-"


def test_a_busy_server_is_asked_again(server: Loopback, tmp_path: Path) -> None:
    server.fail(PATH, Fault(status=503), Fault(status=429, headers={"Retry-After": "0"}))
    with downloads(tmp_path) as here:
        assert here.fetch(wanted(server)).read_bytes() == BODY


def test_a_server_that_stays_busy_is_given_up(server: Loopback, tmp_path: Path) -> None:
    server.fail(PATH, *[Fault(status=503)] * 9)
    with downloads(tmp_path) as here, pytest.raises(DownloadFailed) as caught:
        here.fetch(wanted(server))
    assert "in 4 attempts" in caught.value.message
    assert "503" in caught.value.message
    assert len(server.requests) == 4
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_file_that_is_gone_is_not_asked_for_twice(server: Loopback, tmp_path: Path) -> None:
    with downloads(tmp_path) as here, pytest.raises(DownloadFailed) as caught:
        here.fetch(wanted(server, path="/nothing"))
    assert "404" in caught.value.message
    assert f"thing (sha256:{SHA256}) is not there any more" in caught.value.message
    assert caught.value.hint == f"look on; or put the file itself at {here.path(SHA256)}"
    assert len(server.requests) == 1


def test_wrong_bytes_are_refused_with_both_hashes(server: Loopback, tmp_path: Path) -> None:
    wrong = bytes(len(BODY))
    server.files[PATH] = wrong
    with downloads(tmp_path) as here, pytest.raises(DigestMismatch) as caught:
        here.fetch(wanted(server))
    assert caught.value.expected == f"sha256:{SHA256}"
    assert caught.value.actual == f"sha256:{hashlib.sha256(wrong).hexdigest()}"
    assert not (tmp_path / "sha256").exists()
    assert list((tmp_path / "partial").iterdir()) == []


def test_wrong_bytes_of_a_cache_on_the_way_are_asked_for_anew(
    server: Loopback, tmp_path: Path
) -> None:
    server.fail(PATH, Fault(body=b"an error page with status 200"))
    with downloads(tmp_path) as here:
        assert here.fetch(wanted(server)).read_bytes() == BODY
    assert server.requests[1].headers["Cache-Control"] == "no-cache"


def test_a_file_without_end_is_left_off_soon(server: Loopback, tmp_path: Path) -> None:
    server.files[PATH] = bytes(64 << 20)
    with downloads(tmp_path) as here, pytest.raises(DigestMismatch) as caught:
        here.fetch(Wanted(url=server.url + PATH, sha256=SHA256, size=10, name="thing"))
    assert "more than" in caught.value.actual
    assert "not 10" in caught.value.actual


def test_one_failure_among_many_ends_all(server: Loopback, tmp_path: Path) -> None:
    others = []
    for number in range(20):
        body = f"file {number}".encode()
        server.files[f"/{number}"] = body
        sha256 = hashlib.sha256(body).hexdigest()
        others.append(Wanted(url=f"{server.url}/{number}", sha256=sha256, name=str(number)))
    with downloads(tmp_path) as here:
        files = here.fetch_all(others, progress=Silent(), label="")
        assert {path.read_bytes() for path in files.values()} == {
            f"file {number}".encode() for number in range(20)
        }
        with pytest.raises(DownloadFailed):
            here.fetch_all([wanted(server, path="/nothing")], progress=Silent(), label="")


def test_two_at_once_download_once(server: Loopback, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with (
        downloads(tmp_path) as one,
        downloads(tmp_path) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        paths = list(pool.map(lambda here: here.fetch(wanted(server)), [one, other] * 4))
    assert {path.read_bytes() for path in paths} == {BODY}
    assert len(server.requests) == 1


def test_files_of_this_host_are_copied_and_checked(tmp_path: Path) -> None:
    source = tmp_path / "a b.whl"
    source.write_bytes(BODY)
    cache = tmp_path / "cache"
    with downloads(cache) as here:
        local = Wanted(url=source.as_uri(), sha256=SHA256, name="a wheel")
        assert here.fetch(local).read_bytes() == BODY
        source.write_bytes(b"changed")
        other = Wanted(url=source.as_uri(), sha256="0" * 64, name="a wheel")
        with pytest.raises(DigestMismatch):
            here.fetch(other)


def test_no_server_is_a_sentence(tmp_path: Path) -> None:
    with downloads(tmp_path) as here, pytest.raises(DownloadFailed) as caught:
        here.fetch(Wanted(url="http://user:secret@127.0.0.1:9/x", sha256=SHA256, name="x"))
    assert "http://127.0.0.1:9/x" in caught.value.message
    assert "secret" not in caught.value.message


def test_no_server_is_told_at_once(tmp_path: Path) -> None:
    with Transport(Sources(cache=tmp_path)) as transport:
        here = Downloads(tmp_path, transport)
        started = time.monotonic()
        with pytest.raises(DownloadFailed, match=r"in 2 attempts: .*refused"):
            here.fetch(Wanted(url="http://127.0.0.1:9/x", sha256=SHA256, name="x"))
    assert time.monotonic() - started < 3


def test_a_server_that_drips_is_given_up(server: Loopback, tmp_path: Path) -> None:
    server.fail(PATH, *[Fault(drip_bytes_per_s=500)] * 9)
    with (
        downloads(tmp_path, read_timeout_s=0.3) as here,
        pytest.raises(DownloadFailed, match="in 4 attempts: only"),
    ):
        here.fetch(wanted(server))
    assert len(server.asked(PATH)) == 4


def test_where_it_is_not_another_place_is_asked(server: Loopback, tmp_path: Path) -> None:
    with downloads(tmp_path) as here:
        elsewhere = Wanted(
            url=f"{server.url}/nothing",
            sha256=SHA256,
            name="thing",
            otherwise=lambda: wanted(server),
        )
        assert here.fetch(elsewhere).read_bytes() == BODY


def test_a_cache_that_cannot_be_written_is_a_sentence(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file where the directory should be")
    with downloads(tmp_path / "cache") as here, pytest.raises(ShipmarkError) as caught:
        here.fetch(wanted(server))
    assert str(tmp_path / "cache") in caught.value.message


def test_a_redirect_to_another_host_takes_no_password_along(tmp_path: Path) -> None:
    with serving() as index, serving() as elsewhere:
        elsewhere.files["/file"] = BODY
        target = elsewhere.url.replace("127.0.0.1", "localhost") + "/file"
        index.fail("/file", Fault(status=302, headers={"Location": target}))
        index.logins["/"] = "ada:s3cret"
        login = index.url.replace("http://", "http://ada:s3cret@")
        sources = Sources(cache=tmp_path, index_url=f"{login}/simple", back_off_s=0.01)
        with Transport(sources) as transport:
            here = Downloads(tmp_path, transport)
            path = here.fetch(Wanted(url=f"{index.url}/file", sha256=SHA256, name="file"))
        assert path.read_bytes() == BODY
        assert "Authorization" in index.requests[0].headers
        assert "Authorization" not in elsewhere.requests[0].headers
