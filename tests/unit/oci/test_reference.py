"""References are read as the field reads them, and written so that they are read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.digest import Digest
from shipmark.errors import ShipmarkError
from shipmark.oci.reference import Reference

DIGEST = Digest(f"sha256:{'a' * 64}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ubuntu", Reference(registry="docker.io", repository="library/ubuntu")),
        ("me/x:1", Reference(registry="docker.io", repository="me/x", tag="1")),
        ("localhost/x", Reference(registry="localhost", repository="x")),
        ("localhost:5000/a/b", Reference(registry="localhost:5000", repository="a/b")),
        ("[::1]:5000/a", Reference(registry="[::1]:5000", repository="a")),
        (
            f"ghcr.io/me/my__model-x:v1@{DIGEST}",
            Reference(registry="ghcr.io", repository="me/my__model-x", tag="v1", digest=DIGEST),
        ),
    ],
)
def test_reads(text: str, expected: Reference) -> None:
    assert Reference.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "a:", "a//b", "UP/x", "-a/b", "a_.b/c", "http://a/b", "x@sha256:ab", "x@md5:00", "a b",
        "x:.tag", f"x:{'t' * 129}", f"ghcr.io/{'a' * 250}", "x@", "foo..com/x", "a.com:port/x",
        "x\n",
    ],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(ShipmarkError):
        Reference.parse(text)


def test_upper_case_has_a_hint_of_its_own() -> None:
    with pytest.raises(ShipmarkError) as caught:
        Reference.parse("ghcr.io/Me/model")
    assert "lower case" in caught.value.hint


_part = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)?", fullmatch=True)


@given(
    st.from_regex(r"[a-z]{1,10}\.[a-z]{2,3}(:[0-9]{1,5})?", fullmatch=True),
    st.lists(_part, min_size=1, max_size=4).map("/".join),
    st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True),
    st.none() | st.just(DIGEST),
)
def test_written_and_read_back(
    registry: str, repository: str, tag: str | None, digest: Digest | None
) -> None:
    reference = Reference(registry=registry, repository=repository, tag=tag, digest=digest)
    assert Reference.parse(str(reference)) == reference
