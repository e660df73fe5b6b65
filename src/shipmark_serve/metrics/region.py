"""Memory that the processes of one server share: a row of numbers for each of them.

A row has one writer, so that nothing is locked. It outlives the process that writes it: the next
one in the same role goes on adding to it, and no counter ever falls.
"""

import array
import mmap
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from shipmark_serve.metrics.family import Layout

_CELL_BYTES = 8
_LINE = 64 // _CELL_BYTES
"""Rows begin on a cache line of their own, so that writers do not slow each other."""
_PID = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A process of the server that has been started."""

    role: str
    pid: int


class Row:
    """The numbers of this process: added to in a list, and copied from there now and then.

    A list is more than twice as fast as shared memory. What others see is as old as the last
    copy, and what came after it is lost where the process is killed.
    """

    __slots__ = ("_cells", "numbers")

    def __init__(self, cells: "memoryview[float]") -> None:
        self.numbers: list[float] = list(cells)
        self._cells = cells

    def publish(self) -> None:
        """Let the other processes see the numbers as they are now."""
        self._cells[:] = memoryview(array.array("d", self.numbers))


class Region:
    """One row of cells for each role, such as `http-0`.

    Args:
        layout: The same in every process.
        roles: Likewise.
        descriptor: The `descriptor` of the region of a process that did not fork this one;
            None makes a new region, in memory.
    """

    def __init__(
        self, layout: Layout, roles: Sequence[str], *, descriptor: int | None = None
    ) -> None:
        self.layout = layout
        self.roles = tuple(roles)
        self._stride = _LINE * -(-(layout.size + 1) // _LINE)
        size = self._stride * len(self.roles) * _CELL_BYTES
        self.descriptor = _memory() if descriptor is None else descriptor
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)
        self._cells = memoryview(mmap.mmap(self.descriptor, size)).cast("d")

    def enter(self, role: str) -> Row:
        """Take the row of a role; its gauges begin at zero, its counters where they were.

        To be called by the process itself, since its id is noted.
        """
        row = self._row(role)
        cells = row[1 : 1 + self.layout.size]
        for family in self.layout.families:
            if family.kind == "gauge":
                for _, place in self.layout.series(family):
                    cells[place.start] = 0.0
        row[_PID] = float(os.getpid())
        return Row(cells)

    def total(self) -> list[float]:
        """The sum of all rows."""
        rows = [self._row(role)[1 : 1 + self.layout.size].tolist() for role in self.roles]
        return [sum(column) for column in zip(*rows, strict=True)]

    def members(self) -> list[Member]:
        """The processes that took a row; one that has died since is among them."""
        entered = [Member(role, int(self._row(role)[_PID])) for role in self.roles]
        return [member for member in entered if member.pid]

    def _row(self, role: str) -> "memoryview[float]":
        start = self.roles.index(role) * self._stride
        return self._cells[start : start + self._stride]


def _memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("shipmark-metrics")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
