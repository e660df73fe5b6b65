"""A lock that was edited, merged, cut short, of another revision or for another platform is refused
with a sentence that says what to do; nothing is built from it, and it is left as it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipmark import __version__
from tests.e2e.conftest import CommandLine
from tests.e2e.harbour import DEAD, Harbour, harbour

pytestmark = [pytest.mark.network]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, download_cache: Path) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("locks"), download_cache) as here:
        yield here


@pytest.fixture
def alone(port: Harbour) -> Iterator[CommandLine]:
    """The user without a network; the lock is put back at the end."""
    written = port.lock_path.read_bytes()
    yield port.pointed_at(DEAD)
    port.lock_path.write_bytes(written)


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        (
            'name = "netbase", version = "6.4"',
            'name = "netbase", version = "6.5"',
            ["was edited by hand: platforms.linux/amd64", "undo the edit"],
        ),
        (
            "timeout_s = 60.0",
            "timeout_s = 600.0",
            ["was edited by hand: model", "undo the edit"],
        ),
        (
            'format = 1\nshipmark = ">=0.1"',
            'format = 2\nshipmark = ">=0.9"',
            [
                "of format revision 2, which Shipmark >=0.9 builds",
                f"this is Shipmark {__version__}",
                "pip install 'shipmark>=0.9'",
            ],
        ),
        (
            "epoch = 315532800",
            "<<<<<<< ours\nepoch = 315532800\n=======\nepoch = 1\n>>>>>>> theirs",
            ["it has a merge conflict at line 9", "take either side"],
        ),
        ("[digests]", "[digests", ["cannot be read: ", "make it anew"]),
    ],
    ids=["deb", "setting", "revision", "conflict", "syntax"],
)
def test_a_lock_that_is_not_as_it_was_written(
    port: Harbour, alone: CommandLine, was: str, becomes: str, told: list[str]
) -> None:
    before = port.lock_path.read_text()
    assert before.count(was) == 1
    changed = before.replace(was, becomes)
    port.lock_path.write_text(changed)

    for verb in (["lock"], ["build"], ["build", "--locked"]):
        done = alone.run(*verb, port.package)

        assert done.returncode == 4, done.stderr
        assert [part for part in (*told, str(port.lock_path)) if part not in done.stderr] == []
        assert port.lock_path.read_text() == changed


def test_either_side_of_a_conflict_can_be_taken(port: Harbour, alone: CommandLine) -> None:
    model = port.package / "model.py"
    text = model.read_text()
    model.write_text(f"{text}\n# the other branch\n")
    try:
        alone.ok("lock", port.package)
    finally:
        model.write_text(text)

    built = alone.json("build", port.package)

    assert built["digest"] == port.built["digest"]


@pytest.mark.parametrize("kept", [0, 200, 3_000])
def test_a_lock_that_was_cut_short(port: Harbour, alone: CommandLine, kept: int) -> None:
    port.lock_path.write_bytes(port.lock_path.read_bytes()[:kept])

    done = alone.run("build", port.package)

    assert done.returncode == 4
    assert str(port.lock_path) in done.stderr
    assert "delete the file, then shipmark lock" in done.stderr


def test_a_lock_for_another_platform(port: Harbour, alone: CommandLine) -> None:
    done = alone.run("build", "--locked", port.package, "--platform", "linux/arm64")

    assert done.returncode == 4
    assert f"the lock {port.lock_path} is for linux/amd64, not for linux/arm64" in done.stderr
    assert f"shipmark lock {port.package} --platform linux/arm64" in done.stderr


@pytest.mark.parametrize("named", ["linux/riscv64", "arm64", "linux/amd64,darwin/arm64", ""])
def test_a_platform_that_there_is_none_for(port: Harbour, alone: CommandLine, named: str) -> None:
    done = alone.run("build", port.package, "--platform", named)

    assert done.returncode == 2
    assert "only for linux/amd64 and linux/arm64" in done.stderr
