"""The binary tensor extension: JSON first, then the bytes of its tensors, in their order."""

import struct
from collections.abc import Iterable

from shipmark_serve.contract.errors import InvalidInput

Buffer = bytes | bytearray | memoryview

_LENGTH = struct.Struct("<I")


def split(body: Buffer, json_length: bytes) -> tuple[Buffer, memoryview | None]:
    """Part a body into its JSON and what comes after.

    Args:
        body: All of it.
        json_length: The header Inference-Header-Content-Length; b"" where it was not sent.

    Raises:
        InvalidInput: The header is not a number, or the body is shorter.
    """
    if not json_length:
        return body, None
    if not json_length.isdigit() or len(json_length) > 15 or int(json_length) > len(body):
        raise InvalidInput(
            f"Inference-Header-Content-Length is {json_length.decode('latin-1')!r}, and the body "
            f"has {len(body)} bytes",
            hint="it is the length of the JSON before the tensors",
        )
    view = memoryview(body)
    length = int(json_length)
    return view[:length], view[length:]


class Tail:
    """The bytes after the JSON, taken tensor by tensor."""

    __slots__ = ("_offset", "_view")

    def __init__(self, view: memoryview | None) -> None:
        self._view = memoryview(b"") if view is None else view
        self._offset = 0

    def take(self, size: object, place: str) -> memoryview:
        """The next `size` bytes.

        Raises:
            InvalidInput: `size` is not a length, or so many are not left.
        """
        if type(size) is not int or size < 0:
            raise InvalidInput(f"at {place}: binary_data_size is {size!r}, and not a length")
        begin, self._offset = self._offset, self._offset + size
        if self._offset > len(self._view):
            raise InvalidInput(
                f"at {place}: binary_data_size is {size}, and {len(self._view) - begin} bytes are "
                "left after the JSON",
                hint="set Inference-Header-Content-Length to the length of the JSON",
            )
        return self._view[begin : self._offset]

    def end(self) -> None:
        """Check that all of it was taken.

        Raises:
            InvalidInput: Some bytes belong to no tensor.
        """
        left = len(self._view) - self._offset
        if left:
            raise InvalidInput(f"{left} bytes after the JSON belong to no tensor")


def unpack(data: Buffer, place: str) -> list[bytes]:
    """The elements of a BYTES tensor.

    Raises:
        InvalidInput: Lengths and bytes do not fit together.
    """
    elements: list[bytes] = []
    offset, size = 0, len(data)
    while offset < size:
        if size - offset < _LENGTH.size:
            raise InvalidInput(f"at {place}: {size - offset} bytes are left, too few for a length")
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        if length > size - offset:
            raise InvalidInput(
                f"at {place}[{len(elements)}]: the element says {length} bytes, and "
                f"{size - offset} are left"
            )
        elements.append(bytes(data[offset : offset + length]))
        offset += length
    return elements


def pack(elements: Iterable[bytes]) -> bytes:
    """The bytes of a BYTES tensor."""
    parts = []
    for element in elements:
        parts.append(_LENGTH.pack(len(element)))
        parts.append(element)
    return b"".join(parts)
