"""The lock as a file: TOML that a person can review, one line for each deb, wheel and file.

At the end stand the lock's own digest, the digest of each part (so that an edit by hand is found
and named), and the digests that a build gave, which belong to no other digest.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from shipmark import __version__
from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.errors import LockError
from shipmark.lock.atomic import replace
from shipmark.lock.lock import BUILT_BY, FORMAT, Lock
from shipmark.oci.descriptor import canonical

_HEADER = """\
# Everything that determines the bytes of the image, and nothing of any host.
# Written by `shipmark lock`; commit it, review it, and do not edit it: its digests would not fit.
"""

_MAKES_ANEW = "make it anew: delete the file, then shipmark lock"
_TAKE_A_SIDE = "take either side of it whole (git checkout --ours), then: shipmark lock"


def digest(lock: Lock) -> Digest:
    """The lock's own digest; what a build gave is no part of it."""
    return digests.of_bytes(canonical(msgspec.structs.replace(lock, expected={})))


def write(path: Path, lock: Lock) -> None:
    """Write the lock's file, whole or not at all."""
    replace(path, dumps(lock).encode())


def read(path: Path) -> Lock:
    """Read a lock's file.

    Raises:
        LockError: It is missing, of another format revision, edited by hand, or not a lock.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LockError(f"there is no lock {path}", hint="make it: shipmark lock") from None
    except OSError as error:
        raise LockError(f"the lock {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LockError(f"the lock {path} is not text", hint=_MAKES_ANEW) from None
    return loads(text, name=str(path))


def dumps(lock: Lock) -> str:
    """Write a lock; the same lock gives the same text."""
    document = _document(lock)
    expected = document.pop("expected")
    sums = {"lock": digest(lock)} | _sums(document)
    head = {"format": lock.format, "shipmark": BUILT_BY[FORMAT]}
    tail = {"digests": sums} | ({"expected": expected} if expected else {})
    body = "\n".join(_table((), head | document | tail))
    return f"{_HEADER}\n{body.strip()}\n"


def loads(text: str, *, name: str = "the lock") -> Lock:
    """Read a lock; raises as `read`. `name` is what messages call it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("<<<<<<< "):
                raise LockError(
                    f"{name} cannot be read: it has a merge conflict at line {number}",
                    hint=_TAKE_A_SIDE,
                ) from None
        raise LockError(f"{name} cannot be read: {error}", hint=_MAKES_ANEW) from None
    _refuse_other_format(document, name)
    document.pop("shipmark", None)
    sums = document.pop("digests", {})
    expected = document.pop("expected", {})
    _refuse_edited(document, sums, name)
    try:
        if (schema := document["model"].get("schema")) is not None:
            document["model"]["schema"] = msgspec.Raw(schema.encode())
        encoded = msgspec.json.encode(document | {"expected": expected})
        lock = msgspec.json.decode(encoded, type=Lock)
    except (KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
        raise LockError(f"{name} is not a lock: {error}", hint=_MAKES_ANEW) from None
    if sums.get("lock") != digest(lock):
        raise LockError(f"{name} was edited by hand", hint=_MAKES_ANEW)
    return lock


def _document(lock: Lock) -> dict[str, Any]:
    """The lock as TOML has it: without nulls, and the schema (which may have some) as JSON."""
    document: dict[str, Any] = _without_nulls(msgspec.json.decode(msgspec.json.encode(lock)))
    if lock.model.schema is not None:
        document["model"]["schema"] = msgspec.json.encode(lock.model.schema).decode()
    return document


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_nulls(each) for key, each in value.items() if each is not None}
        case list():
            return [_without_nulls(each) for each in value]
        case _:
            return value


# -- checks --------------------------------------------------------------------------------


def _refuse_other_format(document: Mapping[str, Any], name: str) -> None:
    found = document.get("format")
    if found == FORMAT:
        return
    if not isinstance(found, int):
        raise LockError(f"{name} is not a lock: it has no format revision", hint=_MAKES_ANEW)
    builder = BUILT_BY.get(found) or _said_builder(document)
    raise LockError(
        f"{name} is of format revision {found}, which Shipmark {builder} builds; this is Shipmark "
        f"{__version__}, for revision {FORMAT}",
        hint=f"use that one: pip install 'shipmark{builder}'; or {_MAKES_ANEW}",
    )


def _said_builder(document: Mapping[str, Any]) -> str:
    """What the file says of itself, where that is a version specifier; else any later one."""
    try:
        return str(SpecifierSet(document["shipmark"])) or f">{__version__}"
    except (KeyError, TypeError, AttributeError, InvalidSpecifier):
        return f">{__version__}"


def _refuse_edited(document: Mapping[str, Any], sums: Mapping[str, Any], name: str) -> None:
    found = _sums(document)
    edited = sorted(
        part for part in found.keys() | sums.keys() - {"lock"} if found.get(part) != sums.get(part)
    )
    if edited:
        raise LockError(
            f"{name} was edited by hand: {', '.join(edited)}",
            hint=f"undo the edit, or {_MAKES_ANEW}",
        )


def _sums(document: Mapping[str, Any]) -> dict[str, str]:
    """A short digest of each part of the document."""
    parts: dict[str, Any] = {}
    for key, value in document.items():
        if key in {"platforms", "build_python"}:
            for name, locked in value.items():
                parts[f"{key}.{name}"] = locked
        elif isinstance(value, dict | list):
            parts[key] = value
        else:
            parts.setdefault("settings", {})[key] = value
    return {
        part: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
        for part, value in parts.items()
    }


# -- TOML ----------------------------------------------------------------------------------


def _table(path: Sequence[str], table: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table: its own keys, then the tables in it."""
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    own = {key: value for key, value in table.items() if key not in tables}
    if path and (own or not tables):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in own.items():
        yield from _entry(key, value)
    for key, value in tables.items():
        yield from _table((*path, key), value)


def _entry(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, list) and value:
        yield f"{_key(key)} = ["
        yield from (f"  {_value(each)}," for each in value)
        yield "]"
    else:
        yield f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if plain else _value(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            pairs = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case str():
            # JSON's escapes are TOML's too, but TOML wants one character more escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return repr(value)
