"""What is sent: a Python value, or the bytes of a file, as the body of a request."""

import json
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from shipmark.errors import ShipmarkError
from shipmark_serve.contract.errors import InvalidInput

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes and their media type."""

    data: bytes
    media_type: str


def body_of(value: object, media_type: str | None = None) -> Body:
    """The body that stands for `value`.

    Args:
        value: A string is text, bytes are sent as they are, a path is the file's content, and
            anything else is JSON (arrays as nested lists).
        media_type: What the body says that it is; None: what follows from the value.

    Raises:
        ShipmarkError: The file cannot be read.
        InvalidInput: JSON has no form for the value.
    """
    match value:
        case bytes():
            return Body(value, media_type or OCTETS)
        case Path():
            data = _content(value)
            return Body(data, media_type or sniffed(data, value.name))
        case str() if media_type is None or not is_json(media_type):
            return Body(value.encode(), media_type or TEXT)
        case _:
            return Body(_json(value), media_type or JSON)


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON, or another type in its syntax."""
    essence = media_type.partition(";")[0].strip().lower()
    return essence == JSON or essence.endswith("+json")


def sniffed(data: bytes, name: str = "") -> str:
    """The media type of what somebody typed, piped or keeps in a file.

    JSON other than a string is JSON: a model of text takes that as it stands, and a model of JSON
    takes nothing else. Other UTF-8 is text.
    """
    if name.lower().endswith(".json") or _is_json_value(data):
        return JSON
    try:
        data.decode()
    except UnicodeDecodeError:
        return mimetypes.guess_type(name)[0] or OCTETS
    return TEXT


def _is_json_value(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return data.lstrip()[:1] != b'"'


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ShipmarkError(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}",
            hint="name a file that can be read",
        ) from error


def _json(value: object) -> bytes:
    try:
        data = msgspec.json.encode(value, enc_hook=_plain)
        if b"null" in data:
            # msgspec writes null for NaN and infinities, and the model would never know.
            json.dumps(msgspec.to_builtins(value, enc_hook=_plain), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"the value cannot be written as JSON: {error}",
            hint="send JSON types, records or arrays, and finite numbers",
        ) from error
    return data


def _plain(value: Any) -> Any:
    """Arrays, without importing the library they are of."""
    if callable(tolist := getattr(value, "tolist", None)):
        return tolist()
    raise TypeError(f"{type(value).__name__} is not a JSON type")
