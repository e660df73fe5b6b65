"""Debian versions are compared as dpkg compares them."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipmark.lock.debian.version import Version, satisfies

_part = st.text("0123456789abZ~+.", max_size=6)
versions = st.builds(
    lambda epoch, first, upstream, revision: f"{epoch}{first}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:", "12:"]),
    st.sampled_from("0123456789"),
    _part,
    st.one_of(st.just(""), _part.map(lambda part: f"-{part or '0'}")),
)


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0", "1.1"),
        ("1.9", "1.10"),
        ("1.0~rc1", "1.0"),
        ("1.0~~", "1.0~"),
        ("1.0~", "1.0"),
        ("1.0", "1.0a"),
        ("1.0a", "1.0+"),
        ("1.0-1", "1.0-1+b1"),
        ("1.0-1", "1.0-1+deb12u1"),
        ("1.0-1~deb12u1", "1.0-1"),
        ("2.36-9+deb12u9", "2.36-9+deb12u10"),
        ("9.9", "1:0.1"),
        ("1:4.4.33-2", "2:0"),
        ("1.2.13", "1.2.13.dfsg-1"),
        ("3.4.7-1", "3.4.7-1.1"),
        ("1-2-3", "1-2-4"),
    ],
)
def test_known_cases(lower: str, higher: str) -> None:
    assert Version(lower) < Version(higher)
    assert not Version(higher) < Version(lower)
    assert Version(lower) != Version(higher)


@pytest.mark.parametrize(
    ("one", "other"), [("1.0", "1.00"), ("0:1", "1"), ("1.0-0", "1.0"), ("1.", "1.0"), ("a", "a0")]
)
def test_spellings_of_one_version(one: str, other: str) -> None:
    assert Version(one) == Version(other)
    assert hash(Version(one)) == hash(Version(other))


@given(versions, versions, versions)
def test_the_order_is_total(one: str, two: str, three: str) -> None:
    a, b, c = Version(one), Version(two), Version(three)
    assert (a < b) + (b < a) + (a == b) == 1
    if a <= b <= c:
        assert a <= c


@given(versions)
def test_a_tilde_sorts_before_and_anything_else_after(text: str) -> None:
    assert Version(f"{text}~") < Version(text) < Version(f"{text}+b1")


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is the oracle")
@settings(max_examples=60, deadline=None)
@given(versions, versions)
def test_dpkg_agrees(one: str, other: str) -> None:
    for word, relation in (("lt", "<<"), ("le", "<="), ("eq", "="), ("ge", ">="), ("gt", ">>")):
        answer = subprocess.run(
            ["dpkg", "--compare-versions", one, word, other], capture_output=True, check=False
        )
        ours = satisfies(Version(one), relation, Version(other))
        assert (answer.returncode == 0) == ours, (one, word, other)


@pytest.mark.parametrize(
    ("text", "upstream"),
    [("3.11.2-6+deb12u6", "3.11.2"), ("1:2.0-1-3", "2.0-1"), ("12.4+deb12u9", "12.4+deb12u9")],
)
def test_the_upstream_part(text: str, upstream: str) -> None:
    assert Version(text).upstream == upstream
