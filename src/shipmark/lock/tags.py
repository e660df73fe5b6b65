"""Which of a version's wheels suits an image best.

Source: PyPA, "Platform compatibility tags".
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeVar

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from shipmark.errors import LockError

T = TypeVar("T")

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
"""Platform of an image -> machine, as wheels call it."""

_OLD_NAMES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST = {"x86_64": 5, "aarch64": 17}


def machine(platform: str) -> str:
    """The machine of a platform, as wheels call it.

    Raises:
        LockError: Images cannot be made for it.
    """
    try:
        return MACHINES[platform]
    except KeyError:
        raise LockError(
            f"images cannot be made for the platform {platform!r}",
            hint=f"--platform is one of: {', '.join(MACHINES)}",
        ) from None


def best(
    wheels: Iterable[tuple[str, T]], *, python: str, glibc: tuple[int, int], platform: str
) -> T | None:
    """Choose by file name as an installer would; None where no wheel fits.

    Args:
        wheels: File name and whatever belongs to it.
        python: Minor version, such as `3.11`.
        glibc: Version of the image's glibc.
        platform: Such as `linux/amd64`.
    """
    ranks = _ranks(python, glibc, machine(platform))
    fitting = []
    for filename, item in wheels:
        try:
            _, _, build, tags = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            continue
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            fitting.append((-rank, build, filename, item))
    return max(fitting, key=lambda each: each[:3])[3] if fitting else None


@cache
def _ranks(python: str, glibc: tuple[int, int], machine: str) -> dict[Tag, int]:
    major, minor = map(int, python.split("."))
    interpreter = f"cp{major}{minor}"
    platforms = list(_platforms(glibc, machine))
    supported = [
        *cpython_tags((major, minor), abis=[interpreter], platforms=platforms),
        *compatible_tags((major, minor), interpreter=interpreter, platforms=platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(supported)))}


def _platforms(glibc: tuple[int, int], machine: str) -> Iterator[str]:
    major, newest = glibc
    for minor in range(newest, _OLDEST[machine] - 1, -1):
        yield f"manylinux_{major}_{minor}_{machine}"
        if (major, minor) in _OLD_NAMES:
            yield f"{_OLD_NAMES[major, minor]}_{machine}"
    yield f"linux_{machine}"
