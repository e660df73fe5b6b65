"""Reading `requirements.txt` in pip's syntax, as far as it says what is needed.

Where packages come from (indexes, credentials) is a matter of the host and never of a package.
"""

import posixpath
import re
from dataclasses import dataclass, field
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from shipmark.package.complaints import Complaints
from shipmark.package.ignore import IGNORE_FILE
from shipmark.package.paths import UnsafePathError, clean, show
from shipmark.package.tree import Tree, read_small

REQUIREMENTS_FILE = "requirements.txt"
MAX_BYTES = 1024 * 1024
MAX_INCLUDES = 20
"""Files read because of `-r`, in all."""

INDEX_OPTIONS = frozenset(
    ("-i", "--index-url", "--extra-index-url", "--no-index", "-f", "--find-links",
     "--trusted-host", "--client-cert", "--cert", "--proxy")
)  # fmt: skip
HARMLESS_OPTIONS = frozenset(("--only-binary", "--prefer-binary", "--require-hashes"))
"""What Shipmark does anyway."""

_COMMENT: Final = re.compile(r"(?:^|\s+)#.*$")
_HASH = re.compile(r"\s+--hash(?:=|\s+)(\S+)")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_INCLUDE = re.compile(r"(?:-r|--requirement)(?:\s*=\s*|\s+|(?<=-r))(\S.*)")

Lines = list[tuple[str, str]]
"""(place, requirement as written)."""


@dataclass(slots=True)
class _Reading:
    tree: Tree
    complaints: Complaints
    paths: frozenset[str]
    lines: Lines = field(default_factory=list)
    hashes: dict[str, frozenset[str]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


def read_requirements_txt(
    tree: Tree, complaints: Complaints
) -> tuple[Lines, dict[str, frozenset[str]]]:
    """Read the file and those it includes: requirements, and allowed sha256 by project name."""
    paths = frozenset(found.path for found in tree.found)
    reading = _Reading(tree, complaints, paths)
    _read(reading, REQUIREMENTS_FILE)
    return reading.lines, reading.hashes


def without_credentials(text: str) -> str:
    """`text` as it may stand in a message, without the user and password of an address."""
    return show(re.sub(r"://[^/\s]*@", "://***@", text))


def _read(reading: _Reading, path: str) -> None:
    if path in reading.seen:
        return
    reading.seen.add(path)
    data = read_small(reading.tree, path, MAX_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        reading.complaints.add(f"{path}:{number}", "is not UTF-8", "save it as UTF-8")
        return
    for number, line in _logical_lines(text):
        _read_line(reading, path, number, line)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines without comments, joined where they end in a backslash, with their numbers."""
    joined: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw if pending and raw.lstrip().startswith("#") else _COMMENT.sub("", raw)
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        if complete := (pending + _COMMENT.sub("", line)).strip():
            joined.append((start, complete))
        pending = ""
    if complete := pending.strip():
        joined.append((start, complete))
    return joined


def _read_line(reading: _Reading, path: str, number: int, line: str) -> None:
    place = f"{path}:{number}"
    if (include := _INCLUDE.fullmatch(line)) is not None:
        _include(reading, path, place, include[1].strip())
        return
    if line.startswith("-"):
        fault = _option_fault(re.split(r"[=\s]", line, maxsplit=1)[0])
        if fault is not None:
            reading.complaints.add(place, *fault)
        return
    if line.startswith((".", "/", "~")) or "://" in line.split("@", maxsplit=1)[0]:
        reading.complaints.add(
            place,
            f"{without_credentials(line)!r} is a path or an address, and only wheels of "
            "an index can be locked",
            "publish it on an index, or put the code into the package itself",
        )
        return
    text = _HASH.sub("", line).strip()
    if (option := re.search(r"\s(--[a-z-]+)", text)) is not None:
        reading.complaints.add(place, f"{option[1]} is not supported here", "leave it out")
        return
    reading.lines.append((place, text))
    _note_hashes(reading, place, text, _HASH.findall(line))


def _include(reading: _Reading, path: str, place: str, target: str) -> None:
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    try:
        included = clean(joined)
    except UnsafePathError as error:
        reading.complaints.add(
            place, f"includes {show(target)!r}, which {error}", "include files of the package only"
        )
        return
    if included not in reading.paths:
        reading.complaints.add(
            place,
            f"includes {show(target)!r}, which is not in the package",
            f"add the file, or see whether {IGNORE_FILE} leaves it out",
        )
    elif len(reading.seen) > MAX_INCLUDES:
        reading.complaints.add(place, f"more than {MAX_INCLUDES} files are included", "join them")
    else:
        _read(reading, included)


def _option_fault(option: str) -> tuple[str, str] | None:
    if option in HARMLESS_OPTIONS:
        return None
    if option in INDEX_OPTIONS:
        reason = "where packages come from is a setting of the host that builds"
        return (
            f"{option} is refused: {reason}, not of the package",
            "set UV_INDEX_URL or pip's configuration on the host, and remove the line",
        )
    if option in ("-c", "--constraint"):
        return "constraints are not read", "write the pins as requirements"
    if option in ("-e", "--editable"):
        return (
            "an editable install is refused; only wheels of an index can be locked",
            "put the code into the package itself",
        )
    if option == "--pre":
        return "--pre is refused", "name the pre-release: example>=2.0rc1"
    return f"{show(option)} is not supported", "leave it out"


def _note_hashes(reading: _Reading, place: str, text: str, found: list[str]) -> None:
    if not found:
        return
    allowed = {match[1] for each in found if (match := _SHA256.fullmatch(each)) is not None}
    if not allowed:
        reading.complaints.add(
            place, "has no hash of the form sha256:<64 hexadecimal digits>", "hash it by sha256"
        )
        return
    try:
        name = canonicalize_name(Requirement(text).name)
    except (InvalidRequirement, RecursionError):
        return  # complained of where the requirements are checked
    reading.hashes[name] = reading.hashes.get(name, frozenset()) | allowed
