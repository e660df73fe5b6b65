"""The base of an image: which packages, and which of their dependencies are left out."""

from dataclasses import dataclass

from shipmark.errors import LockError


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A release of Debian that images can be based on."""

    name: str
    python: str
    """Minor version of its Python."""
    glibc: tuple[int, int]
    """What wheels may ask for: manylinux_<major>_<minor>."""


SUITES = {
    "bookworm": Suite(name="bookworm", python="3.11", glibc=(2, 36)),
    "trixie": Suite(name="trixie", python="3.13", glibc=(2, 41)),
}

SCRIPT_TOOLS = frozenset(
    {
        "adduser", "debconf", "debianutils", "dpkg", "init-system-helpers", "install-info",
        "sensible-utils", "ucf",
    }
)  # fmt: skip
"""Needed by maintainer scripts alone, and none is ever run."""

NOT_IN_BASE = SCRIPT_TOOLS | {
    "bash", "coreutils", "dash", "gawk", "mawk", "openssl", "original-awk", "perl-base",
    "readline-common", "tar",
}  # fmt: skip
"""The base has no shell, no package manager and no tools to work with by hand."""


def suite(name: str) -> Suite:
    """The suite of that code name.

    Raises:
        LockError: Images cannot be based on it.
    """
    try:
        return SUITES[name]
    except KeyError:
        known = ", ".join(f"{each.name} (Python {each.python})" for each in SUITES.values())
        raise LockError(
            f"images cannot be based on the Debian suite {name!r}",
            hint=f"[image] suite is one of: {known}",
        ) from None


def base_packages(python: str) -> tuple[str, ...]:
    """What every image has; `libstdc++6` and `libgomp1` for onnxruntime and scikit-learn."""
    return (
        "base-files",
        "ca-certificates",
        "libgcc-s1",
        "libgomp1",
        f"libpython{python}-stdlib",
        "libstdc++6",
        "media-types",
        "netbase",
        f"python{python}-minimal",
        "tzdata",
        "zlib1g",
    )


def build_packages(python: str) -> tuple[str, ...]:
    """What compiles `.pyc`: its standard library has py_compile and compileall."""
    return (f"python{python}-minimal",)
