"""Shows who is let in, that wrong tokens cost no memory, and how a changed file is taken up."""

import hashlib
import logging
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipmark_serve import guard as guards
from shipmark_serve.contract.errors import Forbidden, LoadFailed, ServeError, Unauthenticated
from shipmark_serve.guard import TokenGuard, parse
from shipmark_serve.lifecycle import Caller, Verdict

NOW = 0.0


def line(token: str, rest: str = "") -> str:
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()} {rest}".strip() + "\n"


def bearer(token: str) -> bytes:
    return f"Bearer {token}".encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(
        "# the callers of iris\n\n"
        + line("s3cret", "alice")
        + line("other", "bob fraud-* churn")
        + line("nameless")
    )
    return path


def test_a_known_token_is_let_in_by_name_again_and_again(file: Path) -> None:
    tally = [0.0, 0.0, 0.0]
    guard = TokenGuard(file, "iris", tally)
    assert guard.check(bearer("s3cret"), NOW) == Caller("alice")
    assert guard.check(bearer("s3cret"), NOW) == Caller("alice")
    assert guard.check(b"bearer  s3cret ", NOW) == Caller("alice")
    assert tally == [3, 0, 0]
    digest = hashlib.sha256(b"nameless").hexdigest()
    assert guard.check(bearer("nameless"), NOW) == Caller(f"token-{digest[:8]}")


def test_a_token_that_grants_other_models_is_forbidden(file: Path) -> None:
    tally = [0.0, 0.0, 0.0]
    guard = TokenGuard(file, "iris", tally)
    assert isinstance(guard.check(bearer("other"), NOW), Forbidden)
    assert tally == [0, 0, 1]
    assert isinstance(TokenGuard(file, "fraud-2", tally).check(bearer("other"), NOW), Caller)
    assert isinstance(TokenGuard(file, "churn", tally).check(bearer("other"), NOW), Caller)
    assert isinstance(TokenGuard(file, "churn2", tally).check(bearer("other"), NOW), Forbidden)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer wrong",
        b"Bearer s3cre",
        b"Bearer s3crett",
        b"Bearer S3CRET",
        b"Bearer s3cret, Bearer s3cret",
        b"Bearer s3cret\x00",
        b"Basic czNjcmV0Og==",
        b"s3cret",
        b"Bearer \xff\xfe",
    ],
)
def test_anything_else_is_not_authenticated(file: Path, header: bytes) -> None:
    tally = [0.0, 0.0, 0.0]
    verdict = TokenGuard(file, "iris", tally).check(header, NOW)
    assert isinstance(verdict, Unauthenticated)
    assert tally == [0, 1, 0]
    assert "cret" not in verdict.message + verdict.hint
    assert "wrong" not in verdict.message + verdict.hint


def test_no_flood_makes_it_remember_more_than_it_may(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "_MOST_KNOWN", 100)
    guard = TokenGuard(file, "iris", [0.0] * 3)
    for number in range(1000):
        assert isinstance(guard.check(bearer(f"guess{number}"), NOW), Unauthenticated)
        blanks = b"Bearer" + b" " * (number + 1) + b"s3cret"
        assert guard.check(blanks, NOW) == Caller("alice")
        assert len(guard._known) <= 100


def test_a_changed_file_is_taken_up_and_a_removed_token_is_out(file: Path) -> None:
    guard = TokenGuard(file, "iris", [0.0] * 3)
    assert isinstance(guard.check(bearer("s3cret"), NOW), Caller)
    assert isinstance(guard.check(bearer("new"), NOW), Unauthenticated)
    beside = file.with_suffix(".new")
    beside.write_text(line("new", "carol"))
    beside.replace(file)
    assert isinstance(guard.check(bearer("s3cret"), NOW), Caller), "only refresh reads"
    guard.refresh()
    assert guard.check(bearer("new"), NOW) == Caller("carol")
    assert isinstance(guard.check(bearer("s3cret"), NOW), Unauthenticated)


def test_a_file_of_the_same_size_and_inode_is_seen_to_change(file: Path) -> None:
    file.write_text(line("one", "x"))
    guard = TokenGuard(file, "iris", [0.0] * 3)
    time.sleep(0.02)  # the clock of a file system may be as coarse as 10 ms
    file.write_text(line("two", "x"))
    guard.refresh()
    assert isinstance(guard.check(bearer("two"), NOW), Caller)


@pytest.mark.parametrize("damage", ["not a line\n", "sha256:1234 alice\n", None])
def test_a_broken_file_keeps_the_tokens_and_says_so_once(
    file: Path, damage: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    guard = TokenGuard(file, "iris", [0.0] * 3)
    if damage is None:
        file.unlink()
    else:
        file.write_text(damage)
    with caplog.at_level(logging.ERROR):
        guard.refresh()
        guard.refresh()
    assert len(caplog.records) == 1
    assert "stay as they are" in caplog.text
    assert isinstance(guard.check(bearer("s3cret"), NOW), Caller)
    file.write_text(line("mended"))
    guard.refresh()
    assert isinstance(guard.check(bearer("mended"), NOW), Caller)


def test_a_link_that_is_turned_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokens").write_text(line(name))
    link = tmp_path / "data"
    link.symlink_to("one")
    guard = TokenGuard(link / "tokens", "iris", [0.0] * 3)
    beside = tmp_path / "beside"
    beside.symlink_to("two")
    beside.replace(link)
    guard.refresh()
    assert isinstance(guard.check(bearer("two"), NOW), Caller)
    assert isinstance(guard.check(bearer("one"), NOW), Unauthenticated)


def test_a_token_written_down_by_mistake_is_not_repeated(file: Path) -> None:
    file.write_text(line("good") + "my-very-secret-token alice\n")
    with pytest.raises(LoadFailed, match="line 2") as caught:
        TokenGuard(file, "iris", [0.0] * 3)
    assert "my-very-secret" not in caught.value.message + caught.value.hint


def test_a_token_listed_twice_is_refused() -> None:
    with pytest.raises(LoadFailed, match=r"line 2 .* repeats"):
        parse(line("same", "alice") + line("same", "bob"), "tokens")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_ends_the_start(file: Path, content: bytes | None) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LoadFailed, match="tokens file"):
        TokenGuard(file, "iris", [0.0] * 3)


def test_a_file_without_tokens_lets_nobody_in(file: Path) -> None:
    file.write_text("# nobody yet\n")
    guard = TokenGuard(file, "iris", [0.0] * 3)
    assert isinstance(guard.check(b"", NOW), Unauthenticated)
    assert isinstance(guard.check(bearer(""), NOW), Unauthenticated)


TOKENS = st.text("abcXYZ019-._~+/", min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(known=st.sets(TOKENS, max_size=8), asked=st.lists(TOKENS, max_size=20))
def test_exactly_the_listed_tokens_are_let_in(
    tmp_path: Path, known: set[str], asked: list[str]
) -> None:
    file = tmp_path / "tokens"
    file.write_text("".join(line(token, "x") for token in known))
    guard = TokenGuard(file, "iris", [0.0] * 3)
    for token in [*asked, *known, *asked]:
        verdict: Verdict = guard.check(bearer(token), NOW)
        assert isinstance(verdict, Caller if token in known else ServeError)
