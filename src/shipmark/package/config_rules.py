"""What the values of `shipmark.toml` must be beyond their types."""

import re
from collections.abc import Callable

from shipmark.package.complaints import did_you_mean
from shipmark.package.paths import UnsafePathError, clean, show

CONFIG_FILE = "shipmark.toml"

PYTHON_OF_SUITE = {"bookworm": "3.11", "trixie": "3.13"}
"""Debian suite -> minor version of its Python."""

METRICS = ("accuracy", "mean_absolute_error", "root_mean_squared_error")
"""What `[validate] metric` may name; `shipmark.verify.metrics` computes them."""

MAX_NAME = 63
MAX_VERSION = 60

Fault = tuple[str, str]
"""What is wrong with a value, and the mend."""

_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MEMORY = re.compile(r"[1-9][0-9]*[KMGT]")
_DEBIAN_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_BASE = re.compile(
    r"[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+@sha256:[0-9a-f]{64}"
)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE|CREDENTIAL", re.IGNORECASE)


def name_fault(name: str) -> Fault | None:
    """Check a model's name: it becomes part of image references, addresses and URLs."""
    if _NAME.fullmatch(name) and len(name) <= MAX_NAME:
        return None
    characters = f"at most {MAX_NAME} lower-case letters and digits, with single . _ - between them"
    return (
        f"{name!r} is not a name: {characters}",
        f"for example {suggest_name(name) or 'my-model'!r}",
    )


def suggest_name(text: str) -> str:
    """The nearest valid name to `text`; empty where nothing of it can stand in a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_NAME].rstrip("-")


def env_fault(name: str, value: str) -> Fault | None:
    """Check one variable of `[env]`."""
    if not _ENV_NAME.fullmatch(name):
        return (
            "is not the name of an environment variable",
            "use letters, digits and _, not starting with a digit",
        )
    if name.startswith("SHIPMARK_"):
        return (
            "is reserved: SHIPMARK_ variables are settings of the server",
            "set it under [serve], or at start: shipmark up --env",
        )
    if "\0" in value:
        return "has a NUL character", "leave it out"
    return None


def looks_secret(name: str) -> bool:
    """Whether a variable is likely to hold what must not stand in an image."""
    return _SECRET.search(name) is not None


def _version(value: str) -> Fault | None:
    if _VERSION.fullmatch(value) and len(value) <= MAX_VERSION:
        return None
    return (
        f"{value!r} is not a version: at most {MAX_VERSION} letters, digits and . _ -",
        'for example "1.0.3"',
    )


def _path(value: str) -> Fault | None:
    try:
        clean(value)
    except UnsafePathError as error:
        return f"{value!r} {error}", "give a path inside the package"
    return None


def _python(value: str) -> Fault | None:
    if re.fullmatch(r"3\.(1[1-9]|[2-9][0-9])", value):
        return None
    return (
        f"{value!r} is not a minor version of Python from 3.11 on",
        f"give one of {', '.join(PYTHON_OF_SUITE.values())}",
    )


def _suite(value: str) -> Fault | None:
    if value in PYTHON_OF_SUITE:
        return None
    return f"{value!r} is not a known Debian suite", f"give one of {', '.join(PYTHON_OF_SUITE)}"


def _base(value: str) -> Fault | None:
    if _BASE.fullmatch(value):
        return None
    return (
        f"{value!r} is not an image by digest",
        'write base = "registry/name@sha256:<64 hexadecimal digits>"; a tag can change',
    )


def _packages(value: tuple[str, ...]) -> Fault | None:
    for name in value:
        if not _DEBIAN_PACKAGE.fullmatch(name):
            return f"{name!r} is not the name of a Debian package", 'for example "libgl1"'
    return None


def _memory(value: str) -> Fault | None:
    if _MEMORY.fullmatch(value):
        return None
    return f"{value!r} is not an amount of memory", 'write it like "512M" or "2G"'


def _metric(value: str) -> Fault | None:
    if value in METRICS:
        return None
    return f"{show(value)!r} is no metric", did_you_mean(value, METRICS)


RULES: dict[tuple[str, str], Callable[..., Fault | None]] = {
    ("model", "name"): name_fault,
    ("model", "version"): _version,
    ("model", "entry"): _path,
    ("weights", "path"): _path,
    ("weights", "version"): _version,
    ("python", "version"): _python,
    ("image", "base"): _base,
    ("image", "suite"): _suite,
    ("system", "packages"): _packages,
    ("resources", "memory"): _memory,
    ("validate", "data"): _path,
    ("validate", "metric"): _metric,
}
"""(table, key) -> check of a value of the right type; keys without one may have any."""
