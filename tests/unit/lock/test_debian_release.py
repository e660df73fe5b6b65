"""Only an index that Debian signed, of the right suite and of now, is believed."""

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from pysequoia import SignatureMode, Tsk, sign

from shipmark.errors import DownloadFailed
from shipmark.lock.debian.release import Release, archive_keys, read

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
INDEX = f" {'a' * 64}  123 main/binary-amd64/Packages.xz"


@cache
def key(name: str) -> Tsk:
    return Tsk.generate(name)


def content(
    *, codename: str = "bookworm", date: datetime = NOW, until: datetime | None = None
) -> str:
    lines = ["Origin: Debian", f"Codename: {codename}", f"Date: {date:%a, %d %b %Y %H:%M:%S UTC}"]
    if until is not None:
        lines.append(f"Valid-Until: {until:%a, %d %b %Y %H:%M:%S UTC}")
    lines += ["Acquire-By-Hash: yes", "MD5Sum:", f" {'b' * 32} 1 other", "SHA256:", INDEX]
    return "\n".join(lines) + "\n"


def signed(text: str, by: str = "archive") -> bytes:
    return bytes(sign(key(by).signer(), text.encode(), mode=SignatureMode.CLEAR))


def checked(data: bytes) -> Release:
    return read(
        data,
        suite="bookworm",
        url="http://m/x",
        now=NOW,
        keys=[key("archive").extract_certificate()],
    )


def test_a_signed_index_is_read() -> None:
    release = checked(signed(content(until=NOW + timedelta(days=7))))
    assert release.date == NOW
    assert release.by_hash
    assert release.files["main/binary-amd64/Packages.xz"].size == 123
    assert list(release.files) == ["main/binary-amd64/Packages.xz"]


def refused(data: bytes) -> str:
    with pytest.raises(DownloadFailed) as caught:
        checked(data)
    assert caught.value.hint
    return caught.value.message


def test_another_key_is_refused() -> None:
    assert "not signed" in refused(signed(content(), by="mallory"))


def test_a_changed_index_is_refused() -> None:
    data = signed(content())
    assert data.count(b"a" * 64) == 1
    assert "not signed" in refused(data.replace(b"a" * 64, b"c" * 64))


def test_an_unsigned_index_is_refused() -> None:
    assert "not signed" in refused(content().encode())


def test_nothing_outside_the_signature_is_read() -> None:
    release = checked(b"SHA256:\n " + b"d" * 64 + b" 1 main/evil\n\n" + signed(content()))
    assert "main/evil" not in release.files


def test_another_suite_is_refused() -> None:
    assert "index of trixie, not of bookworm" in refused(signed(content(codename="trixie")))


def test_an_expired_index_is_refused() -> None:
    said = refused(signed(content(until=NOW - timedelta(hours=1))))
    assert "valid until 2026-11-20 11:00" in said


def test_an_index_of_the_future_is_refused() -> None:
    assert "dated 2026-11-23" in refused(signed(content(date=NOW + timedelta(days=3))))


def test_the_keys_of_both_suites_come_with_shipmark() -> None:
    names = [str(user) for each in archive_keys() for user in each.user_ids]
    for release in ("12/bookworm", "13/trixie"):
        assert sum(release in name for name in names) == 3
