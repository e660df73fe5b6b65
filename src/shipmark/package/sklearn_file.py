"""Which scikit-learn saved a `.joblib` or `.skops` file, found without unpickling anything.

Every estimator of scikit-learn keeps the version in its state under the key `_sklearn_version`.
In a pickle that key is an opcode for a text, followed by the opcode for the version.
"""

import json
import re
import zipfile
import zlib
from typing import Any

from packaging.version import InvalidVersion, Version

from shipmark.errors import PackageError
from shipmark.package.complaints import refusal
from shipmark.package.decompressed import DamagedError, chunks_of
from shipmark.package.package import Source
from shipmark.package.paths import show

KEY = "_sklearn_version"
_KEY_BYTES = KEY.encode()
MAX_VERSION_BYTES = 64
MAX_SCHEMA_BYTES = 256 * 1024 * 1024

_SCHEMA = "schema.json"
_OVERLAP = 256
"""More bytes than the key, the opcodes that may stand between, and the version have."""

_BETWEEN = rb"(?:\x94|q.|r.{4}|\x95.{8})*"
"""Opcodes that leave the stack alone: MEMOIZE, BINPUT, LONG_BINPUT, FRAME."""

_KEY_OPCODES = (b"\x8c\x10", b"X\x10\x00\x00\x00")
"""SHORT_BINUNICODE and BINUNICODE with the length of the key."""

_AFTER_KEY = re.compile(_BETWEEN + rb"(?:\x8c(?P<short>.)|X(?P<long>.)\x00\x00\x00)", re.DOTALL)
_STOP = b"."
_NO_VERSION_MEND = (
    "save an estimator of scikit-learn 0.18 or later with joblib.dump or skops.io.dump; "
    "other models need a model.py"
)


def sklearn_version(source: Source, path: str) -> str:
    """The version of scikit-learn that saved the file.

    Raises:
        PackageError: The file is broken, or holds no estimator of scikit-learn.
    """
    find = _in_skops if path.endswith(".skops") else _in_joblib
    found = find(source, path)
    if found is None:
        raise refusal(show(path), "holds no estimator of scikit-learn", _NO_VERSION_MEND)
    return found


def _in_joblib(source: Source, path: str) -> str | None:
    found: str | None = None
    tail = b""
    first = True
    with source.open(path) as stream:
        try:
            for chunk in chunks_of(stream):
                if first:
                    _check_start(chunk, path)
                    first = False
                window = tail + chunk
                found = found or _search(window)
                tail = window[-_OVERLAP:]
        except DamagedError as error:
            raise refusal(show(path), str(error), "save or copy the model again") from error
    if first:
        raise refusal(show(path), "is empty", "save or copy the model again")
    if not tail.endswith(_STOP):
        raise refusal(
            show(path),
            "is cut off: a pickle ends with a full stop, and this file does not",
            "save or copy the model again",
        )
    return found


def _check_start(chunk: bytes, path: str) -> None:
    if chunk[:1] == b"\x80":
        return
    if chunk[:4] == b"\x04\x22\x4d\x18":
        raise refusal(
            show(path),
            "is compressed by lz4, which scikit-learn's image does not read",
            "save it with joblib.dump(model, path, compress=3)",
        )
    raise refusal(
        show(path),
        "is no file of joblib (a pickle of protocol 2 or later, compressed or not)",
        "save the model with joblib.dump",
    )


def _search(data: bytes) -> str | None:
    at = data.find(_KEY_BYTES)
    while at >= 0:
        after = at + len(_KEY_BYTES)
        match = _AFTER_KEY.match(data, after)
        if match is not None and data[max(0, at - 5) : at].endswith(_KEY_OPCODES):
            length = (match["short"] or match["long"])[0]
            text = data[match.end() : match.end() + length]
            if len(text) == length <= MAX_VERSION_BYTES and (version := _version(text)):
                return version
        at = data.find(_KEY_BYTES, after)
    return None


def _version(text: bytes) -> str | None:
    try:
        Version(text.decode("ascii"))
    except (UnicodeDecodeError, InvalidVersion):
        return None
    return text.decode("ascii")


def _in_skops(source: Source, path: str) -> str | None:
    with source.open(path) as stream:
        try:
            with zipfile.ZipFile(stream) as archive, archive.open(_SCHEMA) as schema:
                data = schema.read(MAX_SCHEMA_BYTES + 1)
        except PackageError:
            raise
        except (
            zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, zlib.error, EOFError,
            OSError, ValueError,
        ) as error:  # fmt: skip
            raise refusal(
                show(path),
                f"is no whole file of skops ({show(str(error))})",
                "save the model again",
            ) from error
    if len(data) > MAX_SCHEMA_BYTES:
        raise refusal(show(path), f"has a {_SCHEMA} of more than {MAX_SCHEMA_BYTES} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise refusal(
            show(path), f"has a {_SCHEMA} that is not JSON", "save the model again"
        ) from error
    return _in_document(document)


def _in_document(document: Any) -> str | None:
    """Search breadth first, without recursion."""
    waiting = [document]
    while waiting:
        deeper: list[Any] = []
        for node in waiting:
            if isinstance(node, dict):
                version = node.get(KEY)
                if isinstance(version, dict) and isinstance(version.get("content"), str):
                    found = _version(version["content"].strip('"').encode("ascii", "replace"))
                    if found is not None:
                        return found
                deeper.extend(node.values())
            elif isinstance(node, list):
                deeper.extend(node)
        waiting = deeper
    return None
