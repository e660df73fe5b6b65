"""Messages between two processes: parts in shared memory, and a word on a socket to say so.

Each direction has its memory. A message is written over the one before it, so that only one may
be under way in a direction: the next is sent when the answer to the last has come.
"""

import mmap
import os
import socket
import struct
from collections.abc import Sequence

Buffer = bytes | bytearray | memoryview

_WORD = struct.Struct("<QQ")
"""Size of the memory, and length of the first part, which says how long the others are."""
_FIRST_BYTES = 1 << 16


class Closed(Exception):
    """The other side has gone."""


class Memory:
    """Memory behind a descriptor; it grows, and follows the other side's growth."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map: mmap.mmap | None = None
        self._size = 0

    @classmethod
    def make(cls, name: str) -> "Memory":
        """New memory."""
        return cls(os.memfd_create(name))

    def sized(self, size: int) -> mmap.mmap:
        """The memory, of at least that size."""
        if self._map is None or size > self._size:
            size = max(size, 2 * self._size, _FIRST_BYTES)
            if os.fstat(self.descriptor).st_size < size:
                os.ftruncate(self.descriptor, size)
            # The one before is left to whoever still looks at it.
            self._map, self._size = mmap.mmap(self.descriptor, size), size
        return self._map

    def close(self) -> None:
        """Let it go."""
        self._map = None
        os.close(self.descriptor)


class Channel:
    """One side.

    Args:
        link: A socket of packets.
        out: The memory that this side writes.
        back: The memory that it reads.
    """

    def __init__(self, link: socket.socket, out: Memory, back: Memory) -> None:
        self.link = link
        self._out = out
        self._back = back

    def send(self, first: bytes, parts: Sequence[Buffer]) -> None:
        """Send a message.

        Args:
            first: Says how long the other parts are.
            parts: The others.

        Raises:
            Closed: The other side has gone.
        """
        size = len(first) + sum(map(len, parts))
        memory = self._out.sized(size)
        end = 0
        for part in (first, *parts):
            begin, end = end, end + len(part)
            memory[begin:end] = part
        try:
            self.link.send(_WORD.pack(size, len(first)))
        except OSError as error:
            raise Closed from error

    def receive(self) -> tuple[memoryview, memoryview] | None:
        """The first part of a message and what comes after it; None where none has come.

        Both are views of memory that the other side will write again.

        Raises:
            Closed: The other side has gone.
        """
        try:
            word = self.link.recv(_WORD.size)
        except BlockingIOError:
            return None
        except OSError as error:
            raise Closed from error
        if len(word) != _WORD.size:
            raise Closed
        size, first = _WORD.unpack(word)
        view = memoryview(self._back.sized(size)).toreadonly()
        return view[:first], view[first:size]

    @property
    def closed(self) -> bool:
        """Whether this side has left."""
        return self.link.fileno() == -1

    def close(self) -> None:
        """Leave."""
        self.link.close()
        self._out.close()
        self._back.close()
