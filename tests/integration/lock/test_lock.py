"""A package is locked from a mirror and an index, and its locked versions stay until told."""

from datetime import timedelta

import msgspec
import pytest

from shipmark import digest as digests
from shipmark.errors import DownloadFailed, LockError, Unresolvable
from shipmark.lock import server_wheel, text
from shipmark.lock.lock import Lock
from shipmark.package.config import Config, ImageTable, PythonTable, SystemTable
from shipmark.progress import Silent
from tests.integration.lock.conftest import Harbour
from tests.integration.lock.mirror import NOW, SERVER_NEEDS, Index, native, wheel
from tests.unit.lock.samples import changed, entry, package

AMD64, ARM64 = "linux/amd64", "linux/arm64"


def versions(lock: Lock, platform: str = AMD64) -> dict[str, str]:
    return {each.name: each.version for each in lock.platforms[platform].wheels}


def test_a_lock_names_every_file_by_hash(harbour: Harbour) -> None:
    sha256 = harbour.index.add("greet", "1.2", requires=("greet-words>=2",))
    harbour.index.add("greet-words", "2.5")
    lock = harbour.lock(package("greet", code=(entry("model.py"),)), platforms=(AMD64, ARM64))
    assert lock.python_exact == "3.11.2"
    assert versions(lock) == SERVER_NEEDS | {"greet": "1.2", "greet-words": "2.5"}
    (greet,) = [each for each in lock.platforms[AMD64].wheels if each.name == "greet"]
    assert (greet.filename, greet.sha256) == ("greet-1.2-py3-none-any.whl", sha256)
    assert greet.size == len(harbour.server.files["/files/greet-1.2-py3-none-any.whl"])
    for platform, architecture in ((AMD64, "amd64"), (ARM64, "arm64")):
        debs = lock.platforms[platform].debs
        assert [deb.name for deb in debs] == sorted(harbour.debian.versions)
        assert {deb.architecture for deb in debs} == {architecture}
    assert {deb.name for deb in lock.build_python["arm64"]} == {"libc6", "python3.11-minimal"}
    assert lock.server == server_wheel.build()[0]
    assert harbour.store.has(digests.from_hex(lock.server.sha256))
    assert text.loads(text.dumps(lock)) == lock


def test_a_lock_says_nothing_of_this_host(harbour: Harbour) -> None:
    written = text.dumps(harbour.lock(package()))
    for secret in ("127.0.0.1", "http:", "file:", str(harbour.store.root.parent), "/simple"):
        assert secret not in written


def test_the_same_lock_comes_of_the_same_inputs(harbour: Harbour) -> None:
    first = harbour.lock(package("uvloop"))
    assert harbour.lock(package("uvloop")) == first


def test_a_lock_is_taken_up_again_as_it_stands(harbour: Harbour) -> None:
    harbour.index.add("greet", "1.0")
    first = harbour.lock(package("greet"))
    harbour.index.add("greet", "2.0")
    harbour.debian.versions["libc6"] = "2.36-10"
    harbour.debian.publish()
    harbour.server.requests.clear()
    assert harbour.lock(package("greet"), previous=first) is first
    assert harbour.server.requests == []


def test_upgrades_touch_what_they_name(harbour: Harbour) -> None:
    for name in ("greet", "wave"):
        harbour.index.add(name, "1.0")
    asked = package("greet", "wave")
    first = harbour.lock(asked)
    for name in ("greet", "wave"):
        harbour.index.add(name, "2.0")
    harbour.debian.versions["libc6"] = "2.36-10"
    harbour.debian.publish()

    one = harbour.lock(asked, previous=first, upgrade=frozenset({"Greet"}))
    assert versions(one) == versions(first) | {"greet": "2.0"}
    assert one.platforms[AMD64].debs == first.platforms[AMD64].debs

    base = harbour.lock(asked, previous=first, upgrade=frozenset({"base"}))
    assert base.platforms[AMD64].wheels == first.platforms[AMD64].wheels
    assert {deb.version for deb in base.platforms[AMD64].debs if deb.name == "libc6"} == {"2.36-10"}

    everything = harbour.lock(asked, previous=first, upgrade=frozenset({"all"}))
    assert versions(everything) == versions(first) | {"greet": "2.0", "wave": "2.0"}
    assert everything.platforms[AMD64].debs == base.platforms[AMD64].debs


def test_an_upgrade_of_nothing_is_refused(harbour: Harbour) -> None:
    first = harbour.lock(package())
    with pytest.raises(LockError) as caught:
        harbour.lock(package(), previous=first, upgrade=frozenset({"uvlop"}))
    assert "uvloop" in caught.value.hint


def test_a_new_requirement_moves_no_other(harbour: Harbour) -> None:
    for name in ("greet", "wave"):
        harbour.index.add(name, "1.0")
    first = harbour.lock(package("greet"))
    harbour.index.add("greet", "2.0")
    after = harbour.lock(package("greet", "wave"), previous=first)
    assert versions(after) == versions(first) | {"wave": "1.0"}
    assert after.platforms[AMD64].debs == first.platforms[AMD64].debs


def test_a_pin_that_no_longer_fits_is_moved(harbour: Harbour) -> None:
    harbour.index.add("greet", "1.0")
    first = harbour.lock(package("greet"))
    harbour.index.add("greet", "2.0")
    after = harbour.lock(package("greet>=2"), previous=first)
    assert versions(after)["greet"] == "2.0"


def test_a_changed_server_keeps_every_version(harbour: Harbour) -> None:
    first = harbour.lock(package())
    older = msgspec.structs.replace(
        first, server=msgspec.structs.replace(first.server, version="0.0.1", sha256="0" * 64)
    )
    harbour.server.requests.clear()
    after = harbour.lock(package(), previous=older, upgrade=frozenset({"shipmark-serve"}))
    assert after == first
    assert harbour.server.requests == []


class Heard(Silent):
    """Remembers the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_another_platform_is_added(harbour: Harbour) -> None:
    heard = Heard()
    first = harbour.lock(package())
    both = harbour.lock(package(), previous=first, platforms=(AMD64, ARM64), progress=heard)
    assert set(both.platforms) == {AMD64, ARM64}
    assert both.platforms[AMD64] == first.platforms[AMD64]
    assert heard.notes == []


def test_another_platform_moves_none_that_is_locked_and_what_differs_is_told(
    harbour: Harbour,
) -> None:
    harbour.index.add_file("greet", *native("greet", "1.0", "x86_64"))
    heard = Heard()
    first = harbour.lock(package("greet"))
    harbour.debian.versions["libc6"] = "2.36-10"
    harbour.debian.publish()
    harbour.index.add("uvloop", "0.22.2")
    for machine in ("x86_64", "aarch64"):
        harbour.index.add_file("greet", *native("greet", "2.0", machine))
    both = harbour.lock(package("greet"), previous=first, platforms=(AMD64, ARM64), progress=heard)
    assert both.platforms[AMD64] == first.platforms[AMD64]
    assert both.build_python == first.build_python
    assert {deb.version for deb in both.platforms[ARM64].debs if deb.name == "libc6"} == {"2.36-10"}
    assert versions(both, ARM64) == versions(first) | {"greet": "2.0"}
    debs, wheels = heard.notes
    assert "linux/arm64 gets other versions than linux/amd64: libc6 2.36-10 (2.36-9);" in debs
    assert "--upgrade base" in debs
    assert "linux/arm64 gets other versions than linux/amd64: greet 2.0 (1.0);" in wheels


def test_both_platforms_move_where_debians_python_did(harbour: Harbour) -> None:
    heard = Heard()
    first = harbour.lock(package())
    harbour.debian.versions["python3.11-minimal"] = "3.11.9-1"
    harbour.debian.publish()
    both = harbour.lock(package(), previous=first, platforms=(AMD64, ARM64), progress=heard)
    assert both.python_exact == "3.11.9"
    for locked in (*(each.debs for each in both.platforms.values()), *both.build_python.values()):
        assert {d.version for d in locked if d.name == "python3.11-minimal"} == {"3.11.9-1"}
    (note,) = heard.notes
    assert "Debian bookworm has Python 3.11.9 now" in note
    assert "linux/arm64 with 3.11.2 can no longer be had" in note
    assert "of linux/amd64 are locked anew as well" in note


def test_a_rebuild_for_one_processor_is_no_difference(harbour: Harbour) -> None:
    heard = Heard()
    first = harbour.lock(package())
    harbour.debian.versions["netbase"] = "1.0-1+b2"
    harbour.debian.publish()
    harbour.lock(package(), previous=first, platforms=(AMD64, ARM64), progress=heard)
    assert heard.notes == []


def test_platforms_share_a_version_though_one_index_has_it_for_one_alone(
    harbour: Harbour,
) -> None:
    """With several indexes weighed alike, uv's own preferences pass over such a version."""
    some = Index(harbour.server, "/some")
    some.add_file("greet", *native("greet", "1.1", "x86_64"))
    for version in ("1.0", "1.1"):
        for machine in ("x86_64", "aarch64"):
            harbour.index.add_file("greet", *native("greet", version, machine))
    harbour.configure(extra_index_urls=(some.url,), index_strategy="unsafe-best-match")
    lock = harbour.lock(package("greet"), platforms=(AMD64, ARM64))
    assert versions(lock, AMD64)["greet"] == versions(lock, ARM64)["greet"] == "1.1"


def test_an_index_older_than_the_one_before_is_passed_over(harbour: Harbour) -> None:
    harbour.debian.versions["libc6"] = "2.36-8"
    harbour.debian.publish(date=NOW - timedelta(days=2))
    path = "/debian/dists/bookworm/InRelease"
    older = {name: body for name, body in harbour.server.files.items() if "/debian" in name}
    harbour.debian.versions["libc6"] = "2.36-9"
    harbour.debian.publish()
    first = harbour.lock(package())
    harbour.server.files.update(older)
    again = harbour.lock(package())
    assert again == first
    assert harbour.server.asked(path)


def test_system_packages_come_with_what_they_need(harbour: Harbour) -> None:
    harbour.debian.versions |= {"libgl1": "1.6", "libx11-6": "1.8"}
    harbour.debian.depends["libgl1"] = "libx11-6 (>= 1.5), libc6"
    harbour.debian.publish()
    config = Config(system=SystemTable(packages=("libgl1",)))
    first = harbour.lock(package(config=config))
    names = {deb.name for deb in first.platforms[AMD64].debs}
    assert {"libgl1", "libx11-6"} <= names
    after = harbour.lock(package(), previous=first)
    assert names - {deb.name for deb in after.platforms[AMD64].debs} == {"libgl1", "libx11-6"}


def test_an_unknown_system_package_is_refused_with_close_names(harbour: Harbour) -> None:
    config = Config(system=SystemTable(packages=("netbsae",)))
    with pytest.raises(LockError) as caught:
        harbour.lock(package(config=config))
    assert "netbsae" in caught.value.message
    assert "netbase" in caught.value.hint


@pytest.mark.parametrize(
    ("config", "says", "hint"),
    [
        (Config(image=ImageTable(base="r.io/x@sha256:1")), "[image] base", "suite"),
        (Config(image=ImageTable(suite="sid")), "'sid'", "trixie (Python 3.13)"),
        (Config(python=PythonTable(version="3.13")), "3.13", 'suite = "trixie"'),
        (Config(python=PythonTable(version="3.9")), "3.9", 'version = "3.11"'),
    ],
)
def test_what_cannot_be_locked_is_refused(
    harbour: Harbour, config: Config, says: str, hint: str
) -> None:
    with pytest.raises(LockError) as caught:
        harbour.lock(package(config=config))
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert harbour.server.requests == []


def test_another_platform_than_linux_is_refused(harbour: Harbour) -> None:
    with pytest.raises(LockError, match="darwin/arm64"):
        harbour.lock(package(), platforms=("darwin/arm64",))


def test_a_requirement_without_a_wheel_is_refused_with_the_choices(harbour: Harbour) -> None:
    harbour.index.add_file("old", "old-1.0.tar.gz", b"source")
    with pytest.raises(Unresolvable) as caught:
        harbour.lock(package("old"))
    assert "has no wheel for Python 3.11, Debian bookworm, linux/amd64" in caught.value.message
    assert "old" in caught.value.message
    assert "pip wheel" in caught.value.hint
    assert "PIP_FIND_LINKS" in caught.value.hint


def test_a_wheel_for_another_machine_is_no_wheel(harbour: Harbour) -> None:
    harbour.index.add_file("native", "native-1.0-cp311-cp311-win_amd64.whl", b"wheel")
    with pytest.raises(Unresolvable, match=r"has no wheel for Python 3\.11"):
        harbour.lock(package("native"))


def test_a_clash_with_the_servers_pins_names_both(harbour: Harbour) -> None:
    harbour.index.add("uvicorn", "0.30.0")
    with pytest.raises(Unresolvable) as caught:
        harbour.lock(package("uvicorn==0.30.0"))
    assert "clash with the server's own (uvicorn==0.54.0)" in caught.value.message
    assert "error:" not in caught.value.message
    assert "uvicorn==0.30.0" in caught.value.message


def test_requirements_that_clash_with_each_other_are_refused(harbour: Harbour) -> None:
    harbour.index.add("greet", "1.0", requires=("wave<2",))
    harbour.index.add("wave", "2.0")
    with pytest.raises(Unresolvable) as caught:
        harbour.lock(package("greet", "wave>=2"))
    assert "wave<2" in caught.value.message


def test_an_unknown_requirement_is_refused(harbour: Harbour) -> None:
    with pytest.raises(Unresolvable, match="nosuchthing was not found"):
        harbour.lock(package("nosuchthing"))


@pytest.mark.parametrize("line", ["x @ https://u:s3cret@h/x.whl", "x @ file:///x.whl"])
def test_a_requirement_by_address_is_refused(harbour: Harbour, line: str) -> None:
    with pytest.raises(Unresolvable) as caught:
        harbour.lock(package(line))
    assert "s3cret" not in caught.value.message


def test_a_requirement_that_is_none_is_refused(harbour: Harbour) -> None:
    with pytest.raises(LockError, match="'foo bar' is not a requirement"):
        harbour.lock(package("foo bar"))


def test_an_expired_index_is_refused(harbour: Harbour) -> None:
    harbour.debian.publish(until=NOW - timedelta(days=1))
    with pytest.raises(DownloadFailed, match="was valid until"):
        harbour.lock(package())


def test_an_index_that_was_tampered_with_is_refused(harbour: Harbour) -> None:
    path = "/debian/dists/bookworm/InRelease"
    harbour.server.files[path] = harbour.server.files[path].replace(b"Packages", b"Pakcages")
    with pytest.raises(DownloadFailed, match="not signed by a key of Debian's archive"):
        harbour.lock(package())


def test_a_mirror_that_is_none_is_refused_with_what_to_set(harbour: Harbour) -> None:
    harbour.configure(
        mirrors={name: f"{url}/nowhere" for name, url in harbour.debian.roots.items()}
    )
    with pytest.raises(DownloadFailed) as caught:
        harbour.lock(package())
    assert "SHIPMARK_DEBIAN_MIRROR" in caught.value.hint


def test_the_signed_index_is_asked_for_again_and_not_sent_again(harbour: Harbour) -> None:
    harbour.lock(package())
    harbour.server.requests.clear()
    harbour.lock(package())
    debian = [request for request in harbour.server.requests if "/debian" in request.path]
    assert {request.path.rpartition("/")[2] for request in debian} == {"InRelease"}
    assert all("If-None-Match" in request.headers for request in debian)


def test_the_time_of_files_is_1980_unless_told_and_then_stays(harbour: Harbour) -> None:
    first = harbour.lock(package())
    assert first.epoch == 315532800
    told = harbour.lock(package(), previous=first, epoch=1_700_000_000)
    assert told.epoch == 1_700_000_000
    assert harbour.lock(package(), previous=told) is told


def test_code_is_taken_over(harbour: Harbour) -> None:
    before = package(code=(entry("model.py", "a"),))
    first = harbour.lock(before)
    after = harbour.lock(changed(before, code=(entry("model.py", "b"),)), previous=first)
    assert after.code == (entry("model.py", "b"),)
    assert after.platforms == first.platforms


def test_hashes_of_the_author_choose_among_wheels(harbour: Harbour) -> None:
    first = harbour.index.add("greet", "1.0")
    _, rebuilt = wheel("greet", "1.0", requires=("uvloop",))
    other = harbour.index.add_file("greet", "greet-1.0-1-py3-none-any.whl", rebuilt)
    asked = changed(package("greet"), hashes={"greet": frozenset({first})})
    lock = harbour.lock(asked)
    assert [w.sha256 for w in lock.platforms[AMD64].wheels if w.name == "greet"] == [first]
    with pytest.raises(Unresolvable, match=r"greet 1\.0 has no wheel whose sha256"):
        harbour.lock(changed(asked, hashes={"greet": frozenset({"0" * 64})}), previous=lock)
    assert other != first


def test_a_copy_of_the_package_under_another_name_is_the_same_model(harbour: Harbour) -> None:
    first = harbour.lock(package())
    copied = changed(package(), name="copy", model={"name": "copy"})
    assert harbour.lock(copied, previous=first) is first
    assert harbour.lock(copied).model.name == "copy"
