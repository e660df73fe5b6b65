"""The package's own files, code and weights, as entries of a layer."""

import hashlib
from collections.abc import Iterator, Sequence

from shipmark.errors import PackageError
from shipmark.oci.gzip import compress_block
from shipmark.oci.layer import File, Reader
from shipmark.package.package import FileEntry, Source
from shipmark_serve.contract.model import IMAGE_ROOT

_SAMPLES = 32
_SAMPLE_BYTES = 64 * 1024
_WORTHWHILE = 0.75
"""Weights are compressed if that takes their sample to this share or below.

What saves less costs more than it brings: a processor packs 65 MB of such weights in a second and
unpacks 300, a network of 1 Gbit/s brings 125. float32, float16, bfloat16 and int8 stay as they are;
4-bit values in bytes, trees, sparse and repeated ones are compressed.
"""


def files(entries: Sequence[FileEntry], source: Source) -> tuple[File, ...]:
    """The files as they lie in the image; reading one checks it against the lock.

    Raises:
        PackageError: (while a file is read) It is no longer what the lock says.
    """
    root = IMAGE_ROOT.strip("/")
    return tuple(_file(entry, f"{root}/{entry.path}", source) for entry in entries)


def compresses(entries: Sequence[FileEntry], source: Source, level: int) -> bool:
    """Whether gzip makes weights clearly smaller.

    Decided on samples at fixed places of all files laid end to end, with the compressor of the
    lock, so that every host decides alike.
    """
    total = sum(entry.size for entry in entries)
    samples = b"".join(_samples(sorted(entries, key=lambda entry: entry.path), source, total))
    return len(compress_block(samples, level)) <= _WORTHWHILE * len(samples)


def _samples(entries: Sequence[FileEntry], source: Source, total: int) -> Iterator[bytes]:
    places = range(0, total, max(total // _SAMPLES, _SAMPLE_BYTES))
    start = 0
    for entry in entries:
        within = [place - start for place in places if start <= place < start + entry.size]
        start += entry.size
        if within:
            with source.open(entry.path) as stream:
                for place in within:
                    stream.seek(place)
                    yield stream.read(_SAMPLE_BYTES)


def _file(entry: FileEntry, path: str, source: Source) -> File:
    return File(path, entry.size, lambda: _Checked(entry, source), entry.executable)


class _Checked:
    """A file being read; it ends with an error unless it was what the lock says."""

    def __init__(self, entry: FileEntry, source: Source) -> None:
        self._entry = entry
        self._stream: Reader = source.open(entry.path)
        self._state = hashlib.sha256()
        self._size = 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._state.update(data)
        self._size += len(data)
        ended = not data
        if self._size > self._entry.size or (
            ended and self._state.hexdigest() != self._entry.sha256
        ):
            raise PackageError(
                f"{self._entry.path} changed while it was being built, or after it was locked",
                hint="let nothing write to the package, and run the command again",
            )
        return data

    def close(self) -> None:
        self._stream.close()
