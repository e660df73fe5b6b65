"""One process that sends requests when they are due, whether or not earlier ones were answered.

One epoll loop over kept connections with one request in flight on each: what a library does in
general costs more here than the requests do.
"""

import errno
import select
import socket
import time
from array import array
from collections import deque

from shipmark.measure.histogram import Histogram
from shipmark.measure.load import Interval, Load, Tally
from shipmark.measure.reply import Malformed, Reply, reply

_SECOND_NS = 1_000_000_000
_WARM = 16
"""Connections that are made beforehand; more are made when they are needed."""
_BURST = 32
"""So many requests are sent before replies are looked at again."""
_TICK_S = 0.05
"""How often overdue requests are looked for."""
_FINE_S = 0.003
"""epoll waits for whole milliseconds; below this, select waits for what is left."""
_RECEIVE_BYTES = 1 << 18


class Connection:
    """A kept connection, and the request that is in flight on it."""

    __slots__ = ("due_ns", "received", "socket", "unsent")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.due_ns: int | None = None
        """When the request was due; None while there is none."""
        self.unsent = memoryview(b"")
        self.received = bytearray()


class Generator:
    """Sends what is due and counts what comes back.

    Args:
        load: The run; `connections` are those of this process.
        times: When requests are due, in seconds from the beginning, ascending.
    """

    def __init__(self, load: Load, times: "array[float]") -> None:
        self._load = load
        self._times = times
        self._timeout_ns = int(load.timeout_s * _SECOND_NS)
        self._width_ns = int(load.interval_s * _SECOND_NS)
        self._address = (load.host, load.port)
        self._family = socket.AF_INET6 if ":" in load.host else socket.AF_INET
        self._epoll = select.epoll()  # made first: select takes only small descriptors
        self._connections: dict[int, Connection] = {}
        self._idle: deque[Connection] = deque()
        self._held: deque[int] = deque()
        self._begin_ns = 0
        self._last_ns = 0
        self._latency = [Histogram() for _ in range(load.intervals)]
        self._due = [0] * load.intervals
        self._replies = [0] * load.intervals
        self._failed = [0] * load.intervals
        self._refused = Histogram()
        self._lag = Histogram()
        self._failures: dict[str, int] = {}
        self._held_count = 0
        self._opened = 0

    def warm(self) -> None:
        """Make the first connections.

        Raises:
            OSError: There is nobody to connect to.
        """
        for _ in range(min(self._load.connections, _WARM)):
            made = socket.create_connection(self._address, self._load.timeout_s)
            connection = self._adopt(made)
            self._epoll.register(made, select.EPOLLIN)
            self._idle.append(connection)

    def run(self, begin_ns: int) -> Tally:
        """Follow the schedule from `begin_ns` on, in time of `time.monotonic_ns`."""
        self._begin_ns = self._last_ns = begin_ns
        cpu_s = time.process_time()
        try:
            self._loop()
        finally:
            for connection in self._connections.values():
                connection.socket.close()
            self._epoll.close()
        return Tally(
            intervals=tuple(
                Interval(due=due, latency=latency.export(), replies=replies, failures=failed)
                for due, latency, replies, failed in zip(
                    self._due, self._latency, self._replies, self._failed, strict=True
                )
            ),
            refused=self._refused.export(),
            failures=self._failures,
            lag=self._lag.export(),
            held=self._held_count,
            opened=self._opened,
            elapsed_s=(self._last_ns - begin_ns) / _SECOND_NS,
            cpu_s=time.process_time() - cpu_s,
        )

    def _loop(self) -> None:
        clock, tick_ns = time.monotonic_ns, int(_TICK_S * _SECOND_NS)
        begin_ns, times, count = self._begin_ns, self._times, len(self._times)
        position = 0
        next_ns = begin_ns + int(times[0] * _SECOND_NS) if count else 0
        check_ns = begin_ns
        while True:
            now = clock()
            burst = 0
            while position < count and next_ns <= now and burst < _BURST:
                self._due[self._interval(next_ns)] += 1
                self._start(next_ns)
                position += 1
                burst += 1
                if position < count:
                    next_ns = begin_ns + int(times[position] * _SECOND_NS)
            now = clock()
            if now >= check_ns:
                check_ns = now + tick_ns
                self._expire(now)
                if position == count and not self._held and not self._in_flight():
                    return
            until_ns = min(check_ns, next_ns) if position < count else check_ns
            for descriptor, mask in self._wait((until_ns - now) / _SECOND_NS):
                connection = self._connections.get(descriptor)
                if connection is not None:
                    if mask & select.EPOLLOUT and connection.unsent:
                        self._send(connection)
                    if mask & ~select.EPOLLOUT and connection.socket.fileno() >= 0:
                        self._receive(connection)

    def _in_flight(self) -> bool:
        return any(each.due_ns is not None for each in self._connections.values())

    def _wait(self, wait_s: float) -> list[tuple[int, int]]:
        if wait_s >= _FINE_S:
            return self._epoll.poll(wait_s - 0.001)
        if wait_s > 0:
            select.select((self._epoll,), (), (), wait_s)
        return self._epoll.poll(0)

    def _start(self, due_ns: int) -> None:
        """Send a request that is due, or hold it until a connection is free."""
        if self._idle and not self._held:
            connection = self._idle.popleft()
            self._lag.record(time.monotonic_ns() - due_ns)
            self._begin(connection, due_ns)
        elif len(self._connections) < self._load.connections:
            self._lag.record(time.monotonic_ns() - due_ns)
            self._connect(due_ns)
        else:
            self._held_count += 1
            self._held.append(due_ns)

    def _begin(self, connection: Connection, due_ns: int) -> None:
        connection.due_ns = due_ns
        request = self._load.request
        try:
            sent = connection.socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._fail(connection, _kind_of(error))
            return
        if sent < len(request):
            connection.unsent = memoryview(request)[sent:]
            self._epoll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def _connect(self, due_ns: int) -> None:
        try:
            made = socket.socket(self._family, socket.SOCK_STREAM)
        except OSError:
            self._count_failure("no connection")
            return
        made.setblocking(False)
        connection = self._adopt(made)
        connection.due_ns = due_ns
        code = made.connect_ex(self._address)
        if code not in (0, errno.EINPROGRESS):
            self._fail(connection, _kind_of(OSError(code, "")))
            return
        # Connected, or not: the first write tells.
        connection.unsent = memoryview(self._load.request)
        self._epoll.register(made, select.EPOLLIN | select.EPOLLOUT)

    def _adopt(self, made: socket.socket) -> Connection:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(made)
        self._connections[made.fileno()] = connection
        self._opened += 1
        return connection

    def _send(self, connection: Connection) -> None:
        """Write what is left of a request."""
        try:
            sent = connection.socket.send(connection.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(connection, _kind_of(error))
            return
        connection.unsent = connection.unsent[sent:]
        if not connection.unsent:
            self._epoll.modify(connection.socket, select.EPOLLIN)

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(connection, _kind_of(error))
            return
        now = time.monotonic_ns()
        if connection.due_ns is None:
            self._drop(connection)  # idle, so the server hung up, or said what nobody asked
            return
        whole: bytes | bytearray = data
        if connection.received:
            connection.received += data
            whole = connection.received
        try:
            came = reply(whole, at_end=not data)
        except Malformed:
            self._fail(connection, "not HTTP")
            return
        if came is not None:
            self._finish(connection, came, now, extra=came.size_bytes < len(whole))
        elif not data:
            self._fail(connection, "hung up")
        elif whole is data:
            connection.received += data

    def _finish(self, connection: Connection, came: Reply, now: int, *, extra: bool) -> None:
        due_ns = connection.due_ns
        assert due_ns is not None  # noqa: S101 - a reply belongs to a request
        if 200 <= came.status < 300:
            self._latency[self._interval(due_ns)].record(now - due_ns)
            self._replies[self._interval(now)] += 1
            self._last_ns = now
        else:
            self._refused.record(now - due_ns)
            self._count_failure(f"http {came.status}")
        connection.due_ns = None
        if connection.received:
            connection.received = bytearray()
        if came.closes or extra or connection.unsent:
            self._drop(connection)
        else:
            self._idle.append(connection)
        self._start_held()

    def _start_held(self) -> None:
        """Send requests that waited for a connection, now that one is free."""
        while self._held and self._idle:
            ready_ns = time.monotonic_ns()
            self._begin(self._idle.popleft(), self._held.popleft())
            self._lag.record(time.monotonic_ns() - ready_ns)
        while self._held and len(self._connections) < self._load.connections:
            self._lag.record(0)
            self._connect(self._held.popleft())

    def _expire(self, now: int) -> None:
        """Give up what was due too long ago."""
        limit = now - self._timeout_ns
        for connection in [*self._connections.values()]:
            if connection.due_ns is not None and connection.due_ns < limit:
                self._fail(connection, "timeout")
        while self._held and self._held[0] < limit:
            self._held.popleft()
            self._count_failure("timeout")

    def _fail(self, connection: Connection, kind: str) -> None:
        in_flight = connection.due_ns is not None
        connection.due_ns = None
        self._drop(connection)
        if in_flight:
            self._count_failure(kind)
            self._start_held()

    def _count_failure(self, kind: str) -> None:
        now = time.monotonic_ns()
        self._last_ns = now
        self._failures[kind] = self._failures.get(kind, 0) + 1
        self._failed[self._interval(now)] += 1

    def _drop(self, connection: Connection) -> None:
        if connection.socket.fileno() >= 0:
            del self._connections[connection.socket.fileno()]
            connection.socket.close()  # epoll forgets it by itself
        if connection in self._idle:
            self._idle.remove(connection)

    def _interval(self, now: int) -> int:
        """The interval that a moment falls into; the last takes what comes after the schedule."""
        return min(max(now - self._begin_ns, 0) // self._width_ns, len(self._due) - 1)


def _kind_of(error: OSError) -> str:
    """A failure in a word."""
    if error.errno == errno.ECONNREFUSED:
        return "refused"
    if error.errno in (errno.ECONNRESET, errno.EPIPE):
        return "hung up"
    return "no connection"
