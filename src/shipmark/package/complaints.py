"""Collecting complaints, so that an author sees all mistakes of a package at once."""

import difflib
from collections.abc import Iterable

from shipmark.errors import Complaint, PackageError

MAX_COMPLAINTS = 50
"""A hostile package could earn a million; nobody reads past these."""


class Complaints:
    """What is wrong with one package, and what is allowed but unwise."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._found: list[Complaint] = []
        self._notes: list[Complaint] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, place: str, message: str, mend: str = "") -> None:
        """Record a mistake; see `Complaint` for what the words should say."""
        complaint = Complaint(place, message, mend)
        if complaint not in self._found:
            self._found.append(complaint)
        if len(self._found) >= MAX_COMPLAINTS:
            self.raise_if_any()

    def add_all(self, error: PackageError) -> None:
        """Record what another step has refused."""
        for each in error.complaints or (Complaint("package", error.message, error.hint),):
            self.add(each.place, each.message, each.mend)

    def note(self, place: str, message: str, mend: str = "") -> None:
        """Record something that is allowed but unwise."""
        self._notes.append(Complaint(place, message, mend))

    @property
    def notes(self) -> tuple[Complaint, ...]:
        """What is allowed but unwise."""
        return tuple(self._notes)

    def raise_if_any(self) -> None:
        """Raise everything recorded as one error.

        Raises:
            PackageError: Something was recorded.
        """
        if self._found:
            raise PackageError.of(self._origin, tuple(self._found))


def refusal(place: str, message: str, mend: str = "") -> PackageError:
    """An error of one complaint, for a step that cannot go on."""
    complaint = Complaint(place, message, mend)
    return PackageError(str(complaint), hint=mend, complaints=(complaint,))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A mend for an unknown word: the nearest known one, or all of them."""
    words = sorted(known)
    near = difflib.get_close_matches(word.lower(), words, n=1)
    return f"did you mean {near[0]}?" if near else f"known are: {', '.join(words)}"
