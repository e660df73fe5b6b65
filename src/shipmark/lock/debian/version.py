"""Comparing versions as dpkg does. Source: deb-version(7), "Sorting algorithm"."""

import re
from functools import total_ordering
from itertools import zip_longest

_PIECES = re.compile(r"(\D*)(\d*)")

_Piece = tuple[tuple[int, ...], int]
"""Weights of the characters before a number, and the number."""

_END: _Piece = ((0,), 0)
"""What a version goes on with where its text ends, without end."""


@total_ordering
class Version:
    """A version of a Debian package; ordered, and equal where dpkg says so (1.0 and 1.00)."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        epoch, colon, rest = text.partition(":")
        if not colon:
            epoch, rest = "0", text
        upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
        self._parts = (((0,), int(epoch)),), _pieces(upstream), _pieces(revision)

    @property
    def upstream(self) -> str:
        """The version without epoch and Debian revision."""
        rest = self.text.partition(":")[2] if ":" in self.text else self.text
        return rest.rpartition("-")[0] if "-" in rest else rest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._parts == other._parts

    def __lt__(self, other: "Version") -> bool:
        for ours, theirs in zip(self._parts, other._parts, strict=True):
            for our, their in zip_longest(ours, theirs, fillvalue=_END):
                if our != their:
                    return our < their
        return False

    def __hash__(self) -> int:
        return hash(self._parts)

    def __repr__(self) -> str:
        return f"Version({self.text!r})"


def _pieces(part: str) -> tuple[_Piece, ...]:
    # Each text ends in a 0: the end of a text sorts as a character would.
    pieces = [
        ((*map(_weight, text), 0), int(number or "0")) for text, number in _PIECES.findall(part)
    ]
    while pieces and pieces[-1] == _END:
        pieces.pop()
    return tuple(pieces)


def _weight(character: str) -> int:
    """`~` sorts before the end (0), letters before all other characters."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def satisfies(version: Version, relation: str, wanted: Version) -> bool:
    """Whether `version` stands in `relation` (`>=`, `<<`, `=`, ...) to `wanted`.

    Source: Debian Policy, 7.1.
    """
    match relation:
        case "<<":
            return version < wanted
        case "<=" | "<":
            return version <= wanted
        case "=":
            return version == wanted
        case ">=" | ">":
            return version >= wanted
        case ">>":
            return version > wanted
        case _:
            raise ValueError(relation)
