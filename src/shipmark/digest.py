"""Digests of content: `sha256:` and 64 lower-case hexadecimal digits."""

import hashlib
import re
from typing import BinaryIO, NewType

from shipmark.errors import ShipmarkError

Digest = NewType("Digest", str)

_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")
CHUNK_BYTES = 1 << 20


def parse(text: str) -> Digest:
    """Check that `text` is a digest.

    Raises:
        ShipmarkError: It is not of the form `sha256:<64 hex digits>`.
    """
    if _PATTERN.fullmatch(text) is None:
        raise ShipmarkError(
            f"{text!r} is not a digest", hint="a digest is sha256: and 64 hexadecimal digits"
        )
    return Digest(text)


def from_hex(hex_digits: str) -> Digest:
    """Make a digest from the 64 hexadecimal digits of a SHA-256."""
    return parse(f"sha256:{hex_digits.lower()}")


def of_bytes(data: bytes) -> Digest:
    """Digest of `data`."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def of_file(stream: BinaryIO) -> Digest:
    """Digest of what remains in `stream`, read in chunks."""
    state = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        state.update(chunk)
    return Digest(f"sha256:{state.hexdigest()}")


def hex_of(digest: Digest) -> str:
    """The hexadecimal digits without the algorithm."""
    return digest.removeprefix("sha256:")
