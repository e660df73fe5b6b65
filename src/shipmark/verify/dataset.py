"""A data set in the form of a golden file, read record by record.

The file may be larger than memory; one record may not.
"""

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from shipmark.client import printable
from shipmark.errors import Complaint, PackageError
from shipmark_serve.contract.golden import Golden

CHUNK_BYTES = 1 << 16
MAX_RECORD_CHARACTERS = 64 << 20

_SPACE = " \t\r\n"
_FORM = 'a record is {"input": ..., "output": ...}, with "name" if wanted'


def place_of(file: str, number: int, record: Golden | None = None) -> str:
    """What a complaint calls a record; the first is number 1."""
    name = "" if record is None or record.name is None else f" ({record.name})"
    return f"{file} record {number}{name}"


def records(stream: BinaryIO, file: str) -> Iterator[Golden]:
    """The records of a file: a JSON list of them, or one.

    Args:
        stream: The file.
        file: What complaints call it.

    Raises:
        PackageError: It is not JSON, holds no record, or one is not right; its place is named.
    """
    number = 0
    for number, value in enumerate(_values(_Text(stream, file)), start=1):
        try:
            record = msgspec.convert(value, Golden)
        except msgspec.ValidationError as error:
            raise wrong(place_of(file, number), f"is not right: {error}", _FORM) from error
        yield record
    if number == 0:
        raise wrong(file, "holds no record", _FORM)


def wrong(place: str, message: str, mend: str) -> PackageError:
    """An error about one place in a data set; the words may hold those of record and model."""
    complaint = Complaint(printable(place), printable(message), printable(mend))
    return PackageError(str(complaint), hint=complaint.mend, complaints=(complaint,))


def _values(text: "_Text") -> Iterator[object]:
    """The items of a JSON list, or the one value that the file is."""
    first = text.peek()
    if first == "[":
        text.position += 1
        separator = "]" if text.peek() == "]" else ","
        while separator == ",":
            yield text.value()
            separator = text.peek()
            if separator not in (",", "]"):
                raise text.fault("is not JSON: a comma or the end of the list should follow")
            text.position += separator == ","
        text.position += 1
    elif first:
        yield text.value()
    if text.peek():
        raise text.fault("is not JSON: something follows its end")


class _Text:
    """The file's text, as much of it as is looked at."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self.position = 0
        """Where the next character is in what was read."""
        self._read = ""
        self._values = 0
        self._stream = stream
        self._file = file
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._at_end = False

    def peek(self) -> str:
        """The next character that is not space; empty at the end."""
        while True:
            while self.position < len(self._read):
                if (character := self._read[self.position]) not in _SPACE:
                    return character
                self.position += 1
            if not self._read_on(CHUNK_BYTES):
                return ""

    def value(self) -> object:
        """The value that begins here."""
        self._values += 1
        self.peek()
        while True:
            try:
                value, self.position = _JSON.raw_decode(self._read, self.position)
            except json.JSONDecodeError as error:
                # Most of the time it goes on beyond what was read. Reading twice as much each
                # time keeps a large record from being looked through over and over.
                if len(self._read) > MAX_RECORD_CHARACTERS:
                    message = f"is not JSON, or longer than {MAX_RECORD_CHARACTERS} characters"
                    raise self.fault(message) from error
                if not self._read_on(max(CHUNK_BYTES, len(self._read))):
                    raise self.fault(f"is not JSON: {error.msg}") from error
            except (ValueError, RecursionError) as error:
                raise self.fault(f"is not JSON: {error}") from error
            else:
                return value

    def fault(self, message: str) -> PackageError:
        """An error about the value that was read last."""
        place = place_of(self._file, self._values) if self._values else self._file
        return wrong(place, message, "the file must be a JSON list of records")

    def _read_on(self, size_bytes: int) -> bool:
        """Read more; False where there is none."""
        if self._at_end:
            return False
        chunk = self._stream.read(size_bytes)
        self._at_end = not chunk
        try:
            text = self._utf8.decode(chunk, final=self._at_end)
        except UnicodeDecodeError as error:
            raise self.fault("is not UTF-8") from error
        self._read = self._read[self.position :] + text
        self.position = 0
        return True


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no number there")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)
