"""The closure of Debian packages: alternatives, virtual packages, versions, what is left out."""

import pytest

from shipmark.errors import LockError
from shipmark.lock.debian.closure import Closure
from shipmark.lock.debian.packages import Packages, relations


def stanza(name: str, version: str = "1.0", **fields: str) -> str:
    lines = {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "Filename": f"pool/{name}_{version}.deb",
        "Size": "10",
        "SHA256": "a" * 64,
    } | {key.replace("_", "-"): value for key, value in fields.items()}
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def packages(*stanzas: str, security: tuple[str, ...] = ()) -> Packages:
    found = Packages()
    found.add("\n".join(stanzas).encode(), archive="debian")
    found.add("\n".join(security).encode(), archive="debian-security")
    return found


def chosen(found: Packages, *names: str, leave_out: frozenset[str] = frozenset()) -> dict[str, str]:
    closure = Closure(found)
    closure.add(names, leave_out=leave_out, asked_by="a test")
    return {binary.name: binary.version.text for binary in closure.chosen}


def test_depends_and_pre_depends_are_followed_and_recommends_are_not() -> None:
    found = packages(
        stanza("a", Depends="b, c (>= 1)", Pre_Depends="d", Recommends="e"),
        *map(stanza, "bcde"),
    )
    assert set(chosen(found, "a")) == {"a", "b", "c", "d"}


def test_circles_end() -> None:
    found = packages(stanza("a", Depends="b"), stanza("b", Depends="a"))
    assert set(chosen(found, "a")) == {"a", "b"}


def test_the_highest_version_of_all_archives_is_taken() -> None:
    found = packages(
        stanza("a", "1.0-1"),
        stanza("a", "1.0-1+deb12u2"),
        security=(stanza("a", "1.0-1+deb12u10"),),
    )
    assert chosen(found, "a") == {"a": "1.0-1+deb12u10"}
    newest = found.get("a")
    assert newest is not None
    assert newest.archive == "debian-security"


@pytest.mark.parametrize(
    ("depends", "takes"),
    [
        ("b | c", {"b"}),
        ("nowhere | c", {"c"}),
        ("b (>= 2) | c", {"c"}),
        ("mail", {"exim"}),
        ("mail (>= 2)", {"postfix"}),
        ("b:any", {"b"}),
    ],
)
def test_alternatives_and_virtual_packages(depends: str, takes: set[str]) -> None:
    found = packages(
        stanza("a", Depends=depends),
        stanza("b"),
        stanza("c"),
        stanza("exim", Provides="mail, transport"),
        stanza("postfix", Provides="mail (= 2)"),
    )
    assert set(chosen(found, "a")) == {"a"} | takes


def test_an_alternative_that_is_there_already_will_do() -> None:
    found = packages(
        stanza("a", Depends="b | c"), stanza("b"), stanza("c"), stanza("d", Provides="b")
    )
    assert set(chosen(found, "a", "c")) == {"a", "c"}
    assert set(chosen(found, "a", "d")) == {"a", "d"}


def test_what_is_left_out_counts_as_there_unless_it_is_asked_for() -> None:
    found = packages(
        stanza("a", Depends="debconf (>= 0.5) | debconf-2.0", Pre_Depends="awk"),
        stanza("debconf", Depends="perl"),
        stanza("mawk", Provides="awk"),
        stanza("perl"),
    )
    left_out = frozenset({"debconf", "mawk"})
    assert set(chosen(found, "a", leave_out=left_out)) == {"a"}
    assert set(chosen(found, "a", "mawk", leave_out=left_out)) == {"a", "mawk"}


def test_an_unknown_package_is_refused_with_close_names() -> None:
    found = packages(*map(stanza, ["ffmpeg", "ffmpeg-doc", "imagemagick"]))
    with pytest.raises(LockError) as caught:
        chosen(found, "ffmpg")
    assert "'ffmpg'" in caught.value.message
    assert "a test" in caught.value.message
    assert "did you mean ffmpeg" in caught.value.hint


def test_a_virtual_package_is_refused_with_those_that_provide_it() -> None:
    found = packages(stanza("mawk", Provides="awk"), stanza("gawk", Provides="awk"))
    with pytest.raises(LockError) as caught:
        chosen(found, "awk")
    assert "gawk, mawk" in caught.value.hint


def test_a_dependency_that_cannot_be_met_is_named() -> None:
    found = packages(stanza("a", Depends="b (>= 2) | c"), stanza("b"))
    with pytest.raises(LockError) as caught:
        chosen(found, "a")
    assert "a 1.0 needs b (>= 2) | c" in caught.value.message


def test_packages_that_conflict_are_refused() -> None:
    found = packages(stanza("a", Conflicts="mail"), stanza("b", Provides="mail"))
    with pytest.raises(LockError) as caught:
        chosen(found, "a", "b")
    assert "a and b conflict" in caught.value.message


def test_folded_fields_are_one_field() -> None:
    found = packages(stanza("a", Depends="b,\n c |\n d"), stanza("b"), stanza("d"))
    assert set(chosen(found, "a")) == {"a", "b", "d"}


def test_a_relation_reads_back() -> None:
    text = "libc6 (>= 2.34), a | b (<< 1:2~), c"
    assert ", ".join(" | ".join(map(str, clause)) for clause in relations(text)) == text
