"""The wheel that an installer would take is taken."""

from collections.abc import Iterable

import pytest

from shipmark.errors import LockError
from shipmark.lock import tags

LINUX = [
    "x-1-py3-none-any.whl",
    "x-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "x-1-cp311-cp311-manylinux_2_28_x86_64.whl",
    "x-1-cp311-cp311-manylinux_2_38_x86_64.whl",
    "x-1-cp312-cp312-manylinux_2_28_x86_64.whl",
    "x-1-cp311-cp311-musllinux_1_2_x86_64.whl",
    "x-1-cp311-cp311-macosx_11_0_arm64.whl",
    "x-1-cp311-cp311-manylinux_2_17_aarch64.whl",
    "x-1-cp39-abi3-manylinux2014_x86_64.whl",
]


def best(names: list[str], python: str, glibc: tuple[int, int], platform: str) -> str | None:
    def among(order: Iterable[str]) -> str | None:
        pairs = ((name, name) for name in order)
        return tags.best(pairs, python=python, glibc=glibc, platform=platform)

    assert among(names) == among(reversed(names))
    return among(names)


@pytest.mark.parametrize(
    ("python", "glibc", "platform", "takes"),
    [
        ("3.11", (2, 36), "linux/amd64", "x-1-cp311-cp311-manylinux_2_28_x86_64.whl"),
        ("3.11", (2, 41), "linux/amd64", "x-1-cp311-cp311-manylinux_2_38_x86_64.whl"),
        (
            "3.11",
            (2, 17),
            "linux/amd64",
            "x-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        ),
        ("3.11", (2, 36), "linux/arm64", "x-1-cp311-cp311-manylinux_2_17_aarch64.whl"),
        ("3.12", (2, 36), "linux/amd64", "x-1-cp312-cp312-manylinux_2_28_x86_64.whl"),
        ("3.13", (2, 41), "linux/amd64", "x-1-cp39-abi3-manylinux2014_x86_64.whl"),
        ("3.13", (2, 41), "linux/arm64", "x-1-py3-none-any.whl"),
    ],
)
def test_the_nearest_wheel_is_taken(
    python: str, glibc: tuple[int, int], platform: str, takes: str
) -> None:
    assert best(LINUX, python, glibc, platform) == takes


def test_of_two_builds_the_later_is_taken() -> None:
    builds = [f"x-1-{number}-py3-none-any.whl" for number in (1, 10, 9)]
    assert best(builds, "3.11", (2, 36), "linux/amd64") == "x-1-10-py3-none-any.whl"


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["x-1.tar.gz", "not a wheel.whl"],
        ["x-1-cp311-cp311-win_amd64.whl"],
        ["x-1-cp311-cp311-manylinux_2_39_x86_64.whl"],
        ["x-1-cp311-cp311t-manylinux_2_17_x86_64.whl"],
    ],
)
def test_nothing_that_would_not_run_is_taken(names: list[str]) -> None:
    assert best(names, "3.11", (2, 36), "linux/amd64") is None


def test_an_unknown_platform_is_refused() -> None:
    with pytest.raises(LockError, match="windows/amd64"):
        tags.machine("windows/amd64")
