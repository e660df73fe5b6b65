"""Inference processes: each runs one batch at a time; one that dies or hangs is replaced."""

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from shipmark_serve.contract.errors import LoadFailed, NotReady
from shipmark_serve.lanes.lanes import Batch, Ended, Lanes
from shipmark_serve.processes.channel import Channel, Closed, Memory
from shipmark_serve.processes.messages import (
    Asked,
    Done,
    Failed,
    FromProcess,
    Hello,
    Job,
    decoder,
    encode,
)
from shipmark_serve.response import Response

_WATCH_S = 0.25
_AGAIN_S = (0.0, 1.0, 2.0, 5.0, 10.0)
"""Before a process is started again that has died so many times without an answer between."""
_END_S = 1.0

_log = logging.getLogger(__name__)
_decode = decoder(FromProcess)


class Processes:
    """As many processes as are asked for, started at once.

    Args:
        number: How many.
        patience_s: How long a process may go on with work whose callers were all told that it
            is too late.
    """

    ahead = 0

    def __init__(self, number: int, *, patience_s: float) -> None:
        self.max_batch_size = 1
        self._patience_s = patience_s
        self._ended: Ended = _nobody
        self._available: Callable[[bool], None] = _nobody
        self._processes = [_Process(self, number) for number in range(number)]
        self.closing = False
        self._watching = asyncio.create_task(self._watch())

    @property
    def count(self) -> int:
        """How many there are that can take a batch, or have one."""
        return sum(process.alive for process in self._processes)

    async def hello(self) -> Hello:
        """Wait until every process has loaded the model.

        Raises:
            LoadFailed: One could not.
        """
        hellos = await asyncio.gather(*(process.loaded for process in self._processes))
        return hellos[0]

    def serve(
        self, ended: Ended, available: Callable[[bool], None], *, max_batch_size: int
    ) -> None:
        """From now on take batches.

        Args:
            ended: Told of each.
            available: Told, whenever that may have changed, if there is a process that could
                answer.
            max_batch_size: Rows that a process may run together.
        """
        self.max_batch_size = max_batch_size
        self._ended = ended
        self._available = available

    def start(self, batch: Batch) -> bool:
        """Let a process run it that is idle."""
        process = next(process for process in self._processes if process.idle)
        process.start([call for call in batch if not call.gone], batch)
        return False

    @property
    def stuck(self) -> bool:
        """Never: a process that is stuck is replaced."""
        return False

    def close(self) -> bool:
        """End all; one that is at work is killed."""
        self.closing = True
        self._watching.cancel()
        for process in self._processes:
            process.end()
        return True

    def told(self, batch: Batch) -> None:
        """Take back a batch from a process."""
        self._ended(batch)

    def changed(self) -> None:
        """Tell whether there is a process left."""
        if not self.closing:
            self._available(any(process.alive for process in self._processes))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            now = time.monotonic()
            for process in self._processes:
                process.check(now - self._patience_s)


class _Process:
    """One process and, when that has died, the next in its place."""

    def __init__(self, processes: Processes, number: int) -> None:
        self._processes = processes
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._batch: Batch | None = None
        self._running: Batch = []
        self._deaths = 0
        self.alive = False
        self.loaded: asyncio.Future[Hello] = self._loop.create_future()
        self._spawn()

    @property
    def idle(self) -> bool:
        """Whether it can take a batch."""
        return self.alive and self._batch is None

    def start(self, running: Batch, batch: Batch) -> None:
        """Send a job.

        Args:
            running: The calls of the batch that somebody waits for.
            batch: All of it, to be given back.
        """
        self._batch, self._running = batch, running
        now = time.monotonic()
        asked = []
        for call in running:
            call.started = now
            asked.append(Asked(call.route, call.head, call.request_id, len(call.body)))
        job = encode(Job(asked, self._processes.max_batch_size))
        try:
            self._channel.send(job, [call.body for call in running])
        except Closed:
            self._loop.call_soon(self._buried)

    def check(self, too_late: float) -> None:
        """Kill it where all of its callers have been waiting since before that moment."""
        batch = self._batch
        if batch is not None and all(call.deadline < too_late for call in batch):
            _log.error("inference process %d hangs past its deadline: it is killed", self._number)
            self._child.kill()

    def end(self) -> None:
        """End it for good."""
        if self._channel.closed:
            return
        self._loop.remove_reader(self._channel.link.fileno())
        self._channel.close()
        try:
            if self._batch is not None or not self.alive:
                self._child.kill()
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _again(self) -> None:
        if not self._processes.closing:
            self._spawn()

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        out, back = Memory.make("shipmark-out"), Memory.make("shipmark-back")
        descriptors = (theirs.fileno(), back.descriptor, out.descriptor)
        with theirs:
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-s",
                    "-m",
                    "shipmark_serve.processes.worker",
                    *map(str, descriptors),
                ],
                pass_fds=descriptors,
            )
        ours.setblocking(False)
        self._channel = Channel(ours, out, back)
        self._loop.add_reader(ours.fileno(), self._heard)

    def _heard(self) -> None:
        try:
            message = self._channel.receive()
        except Closed:
            self._buried()
            return
        if message is None:
            return
        first, bodies = message
        said = _decode(first)
        if isinstance(said, Done):
            self._deaths = 0
            self._settle(said, bodies)
        elif isinstance(said, Hello):
            self.alive = True
            if not self.loaded.done():
                self.loaded.set_result(said)
            self._processes.changed()
        elif isinstance(said, Failed) and not self.loaded.done():
            self.loaded.set_exception(LoadFailed(said.message, hint=said.hint))

    def _settle(self, done: Done, bodies: memoryview) -> None:
        end = 0
        for call, said in zip(self._running, done.calls, strict=True):
            begin, end = end, end + said.size
            call.seconds, call.batch_rows = said.seconds, said.rows
            if call.gone:
                continue
            call.error = said.raised()
            if call.error is None:
                body = bytes(bodies[begin:end])
                call.response = Response(said.media_type, body, headers=said.headers)
        self._give_back()

    def _give_back(self) -> None:
        batch, self._batch, self._running = self._batch, None, []
        if batch is not None:
            self._processes.told(batch)

    def _buried(self) -> None:
        """It has died: its callers are told, and another is started."""
        if self._channel.closed:
            return
        self._loop.remove_reader(self._channel.link.fileno())
        self._channel.close()
        self.alive = False
        self._child.kill()
        status = self._child.wait()
        if not self.loaded.done():
            self.loaded.set_exception(
                LoadFailed(f"an inference process ended with status {status} while it loaded")
            )
            return
        _log.error(
            "inference process %d ended with status %d: it is started again", self._number, status
        )
        for call in self._running:
            if not call.gone:
                call.error = _died()
        self._give_back()
        self._processes.changed()
        delay = _AGAIN_S[min(self._deaths, len(_AGAIN_S) - 1)]
        self._deaths += 1
        self._loop.call_later(delay, self._again)


def _died() -> NotReady:
    return NotReady("the process that ran the model died", hint="try again")


def _nobody(_: object) -> None:
    """Nobody is told yet."""


_: type[Lanes] = Processes
