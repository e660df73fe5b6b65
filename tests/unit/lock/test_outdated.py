"""What changed since a lock was made is said precisely, and only versions need resolving."""

import msgspec
import pytest

from shipmark.lock import outdated
from shipmark.lock.lock import Expected, Lock
from shipmark.package.config import (
    Config,
    ImageTable,
    ResourcesTable,
    SystemTable,
)
from shipmark.package.package import Package
from shipmark_serve.contract.model import ServeSettings
from tests.unit.lock.samples import changed, entry, lock_of, package, wheel


@pytest.fixture
def before() -> Package:
    return package(
        "numpy>=2",
        config=Config(system=SystemTable(packages=("libgl1",)), env={"A": "1"}),
        code=(entry("model.py", "x"), entry("old.py")),
        weights=(entry("weights/a.bin", "w"),),
    )


@pytest.fixture
def lock(before: Package) -> Lock:
    built = {"linux/amd64": Expected(manifest="sha256:1", config="sha256:2")}
    return msgspec.structs.replace(lock_of(before), expected=built)


def test_nothing_changed(lock: Lock, before: Package) -> None:
    assert outdated.changes(lock, before) == []
    assert not outdated.needs_resolution(lock, before)
    assert outdated.refresh(lock, before) is lock


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"requirements": ("numpy>=2", "scipy")}, "the requirement scipy was added"),
        ({"requirements": ()}, "the requirement numpy>=2 was removed"),
        ({"requirements": ("NumPy<2",)}, "the requirement numpy>=2 became NumPy<2"),
        (
            {"config": {"image": ImageTable(suite="trixie")}},
            "[image] suite was bookworm and is trixie",
        ),
        ({"config": {"system": SystemTable()}}, "the Debian package libgl1 was removed"),
    ],
)
def test_what_needs_resolution(
    lock: Lock, before: Package, fields: dict[str, object], sentence: str
) -> None:
    after = changed(before, **fields)
    assert sentence in outdated.changes(lock, after)
    assert outdated.needs_resolution(lock, after)


def test_another_spelling_of_the_same_requirements_is_no_change(before: Package) -> None:
    lock = lock_of(changed(before, requirements=("scipy", "numpy >=2, <3")))
    after = changed(before, requirements=("numpy<3,>=2", "scipy", "scipy"))
    assert outdated.changes(lock, after) == []


def test_a_changed_server_is_named(lock: Lock, before: Package) -> None:
    older = msgspec.structs.replace(lock, server=wheel("shipmark-serve", "0.0.9"))
    (said,) = outdated.changes(older, before)
    assert said.startswith("the server changed: shipmark-serve 0.0.9 (sha256:")
    assert outdated.needs_resolution(older, before)


def test_a_changed_requirement_of_the_server_is_called_that(lock: Lock, before: Package) -> None:
    requires = [line for line in lock.requires if not line.startswith("uvicorn")]
    older = msgspec.structs.replace(lock, requires=(*requires, "uvicorn==0.1"))
    (said,) = outdated.changes(older, before)
    assert said.startswith("the server's requirement uvicorn==0.1 became uvicorn==")


def test_another_platform_needs_resolution(lock: Lock, before: Package) -> None:
    assert not outdated.needs_resolution(lock, before, ("linux/amd64",))
    assert outdated.needs_resolution(lock, before, ("linux/amd64", "linux/arm64"))


@pytest.mark.parametrize(
    ("fields", "sentences"),
    [
        (
            {"code": (entry("model.py", "y"), entry("new.py"))},
            ["model.py changed", "new.py was added", "old.py was removed"],
        ),
        (
            {"code": (entry("model.py", "x", executable=True), entry("old.py"))},
            ["model.py is now executable"],
        ),
        ({"weights": (entry("weights/a.bin", "v"),)}, ["weights weights/a.bin changed"]),
        (
            {"model": {"serve": ServeSettings(timeout_s=5)}},
            ["[serve] timeout_s was 60.0 and is 5"],
        ),
        ({"model": {"version": "2.0"}}, ["[model] version was 1.0 and is 2.0"]),
        ({"model": {"golden": ("g.json",)}}, ["the golden record g.json was added"]),
        (
            {"config": {"env": {"B": "secret"}}},
            ["[env] A was removed", "[env] B was added"],
        ),
        (
            {"config": {"resources": ResourcesTable(cpus=2, memory="1G")}},
            ["[resources] cpus was added", "[resources] memory was added"],
        ),
    ],
)
def test_what_is_taken_over_without_resolution(
    lock: Lock, before: Package, fields: dict[str, object], sentences: list[str]
) -> None:
    after = changed(before, **fields)
    assert outdated.changes(lock, after) == sentences
    assert not outdated.needs_resolution(lock, after)
    fresh = outdated.refresh(lock, after)
    assert outdated.changes(fresh, after) == []
    assert fresh.platforms == lock.platforms
    assert fresh.expected == {}


def test_a_name_that_nobody_chose_stays_as_it_was_locked(lock: Lock, before: Package) -> None:
    copied = changed(before, model={"name": "digits-copy"})
    assert outdated.changes(lock, copied) == []
    named = changed(copied, name_chosen=True)
    assert outdated.changes(lock, named) == ["[model] name was digits and is digits-copy"]
    assert outdated.refresh(lock, named).model.name == "digits-copy"


def test_hashes_of_the_author_that_refuse_a_locked_wheel_need_resolution(
    lock: Lock, before: Package
) -> None:
    allowed = {"numpy": frozenset({wheel("numpy").sha256})}
    assert outdated.changes(lock, changed(before, hashes=allowed)) == []
    refused = changed(before, hashes={"numpy": frozenset({"0" * 64})})
    assert outdated.changes(lock, refused) == [
        "the package's hashes no longer allow numpy-1.0-py3-none-any.whl (linux/amd64)"
    ]
    assert outdated.needs_resolution(lock, refused)
