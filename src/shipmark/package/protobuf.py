"""Walking through a protobuf message in a file without loading it.

A field of bytes is given as the place where it stands, and passed over unless somebody asks for
it, so that a file of many gigabytes costs what its structure costs. Every length is checked
against the message around it, so a broken or hostile file ends in `MalformedError`.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_VARINT_BYTES = 10
MAX_FIELDS = 10_000_000
"""Fields of one file; a real model of gigabytes has far fewer."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class MalformedError(ValueError):
    """The bytes are no protobuf message; the message says where."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its number, and either a number or where its bytes stand."""

    number: int
    value: int = 0
    """Of a varint field."""
    start: int = -1
    """First byte of a field of bytes; -1 for other fields."""
    end: int = -1


class MessageReader:
    """Reads messages of one file; holds no more of it than is asked for."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self.size = size
        self._left = MAX_FIELDS

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """The fields of the message that stands in the bytes from `start` to `end`.

        Raises:
            MalformedError: The bytes there are no message.
        """
        at = start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise MalformedError(f"has more than {MAX_FIELDS} fields")
            self._stream.seek(at)
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            if number == 0:
                raise MalformedError(f"has no valid field at byte {at}")
            if wire == _VARINT:
                value, at = self._varint(at, end)
                yield Field(number, value=value)
            elif wire == _BYTES:
                length, at = self._varint(at, end)
                if length > end - at:
                    raise MalformedError(
                        f"says that {length} bytes follow at byte {at}, where {end - at} are left"
                    )
                yield Field(number, start=at, end=at + length)
                at += length
            elif wire in (_FIXED32, _FIXED64):
                at += 4 if wire == _FIXED32 else 8
                if at > end:
                    raise MalformedError(f"ends within a number at byte {at}")
                yield Field(number)
            else:
                raise MalformedError(f"has a field of unknown type {wire} at byte {at}")

    def content(self, field: Field, limit: int) -> bytes:
        """The bytes of a field of bytes.

        Raises:
            MalformedError: It is no such field, has more than `limit` bytes, or the file ends.
        """
        if field.start < 0:
            raise MalformedError(f"has a number where field {field.number} should be bytes")
        length = field.end - field.start
        if length > limit:
            raise MalformedError(f"has a text of {length} bytes at byte {field.start}")
        self._stream.seek(field.start)
        data = self._stream.read(length)
        if len(data) != length:
            raise MalformedError(f"ends at byte {field.start + len(data)}")
        return data

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """A number of variable length where the stream stands, and the place after it."""
        value = 0
        for position in range(MAX_VARINT_BYTES):
            if at >= end:
                raise MalformedError(f"ends within a number at byte {at}")
            byte = self._stream.read(1)
            if not byte:
                raise MalformedError(f"ends at byte {at}")
            at += 1
            value |= (byte[0] & 0x7F) << (7 * position)
            if byte[0] < 0x80:
                return value, at
        raise MalformedError(f"has a number that does not end at byte {at}")
