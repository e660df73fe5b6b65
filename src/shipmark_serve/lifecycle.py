"""What a request passes through, and who is told when: the places of guard, metrics and traces.

The fast path (`protocol`) and the full path (`app`) do the same, all of it on the event loop:

===========================  ==========================================================
moment                       called
===========================  ==========================================================
the head has been read       `Guard.check(call.head.authorization, now)`; an error it returns
                             is the answer, and the body is neither waited for nor decoded;
                             of a future it waits for the result when the body has come
a batch has come to its end  `Observer.batch(requests, rows, seconds)`, once for all of it
the answer has been written  `Observer.finished(call, status, now)`, once for every request of
                             every route; GONE where the caller had hung up before
===========================  ==========================================================

What is a state and not an event (requests in flight, depth of the queue) is not told but asked
when metrics are read: `Dispatcher.waiting`, `Dispatcher.running`.

A call that was never admitted has `queued` 0, one that never ran has `started` 0; queue wait is
`started - queued`. `finished` is called some ten thousand times a second: it should add to plain
numbers, and leave to a scrape whatever can wait for one. Each HTTP process has its own observer.

Guard and observers are named in one place, `server.py`, when the server starts.
"""

import asyncio
from typing import Protocol

import msgspec

from shipmark_serve.call import Call
from shipmark_serve.contract.errors import ServeError

GONE = 499
"""The status of a request whose caller hung up before its answer; never sent."""


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Somebody who may ask."""

    name: str
    """As the guard knows it; never the token."""


ANYBODY = Caller("")
"""The caller of a server that has no guard."""

Verdict = Caller | ServeError | asyncio.Future[Caller | ServeError]
"""Who it is; or why not, Unauthenticated or Forbidden; or that somebody else must be asked.

The future is the guard's: it has a result within a time that the guard sets, and is never
cancelled.
"""


class Guard(Protocol):
    """Decides who may ask."""

    def check(self, authorization: bytes, now: float) -> Verdict:
        """Judge a request; nothing is raised.

        Args:
            authorization: The header as it came; b"" where there was none.
            now: Loop time.
        """


class Observer(Protocol):
    """Is told what became of requests and batches."""

    def finished(self, call: Call, status: int, now: float) -> None:
        """A request has been answered with `status`, at loop time `now`."""

    def batch(self, requests: int, rows: int, seconds: float) -> None:
        """Inference on a batch took `seconds`, whether it went well or not."""


class OpenGuard:
    """Lets everybody in."""

    def check(self, authorization: bytes, now: float) -> Verdict:
        """Let it in."""
        del authorization, now
        return ANYBODY


class Unobserved:
    """Tells nobody."""

    def finished(self, call: Call, status: int, now: float) -> None:
        """Do nothing."""

    def batch(self, requests: int, rows: int, seconds: float) -> None:
        """Do nothing."""
