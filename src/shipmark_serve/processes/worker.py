"""`python -m shipmark_serve.processes.worker LINK OUT BACK`: one inference process."""

import logging
import signal
import socket
import sys

import msgspec

from shipmark_serve import logs
from shipmark_serve.batching import group
from shipmark_serve.call import Call, Endpoint
from shipmark_serve.contract.errors import ServeError, ShipmarkError
from shipmark_serve.endpoints.endpoints import endpoints_of
from shipmark_serve.loading import load
from shipmark_serve.processes.channel import Channel, Closed, Memory
from shipmark_serve.processes.messages import Done, Failed, Hello, Job, Said, decoder, encode
from shipmark_serve.servable import Servable
from shipmark_serve.settings import from_environment

_log = logging.getLogger(__name__)
_NEVER = float("inf")
_decode = decoder(Job)


def main(descriptors: list[int]) -> None:
    """Load the model, and answer jobs until the other side goes."""
    link, out, back = descriptors
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the HTTP process decides when it is over
    channel = Channel(socket.socket(fileno=link), Memory(out), Memory(back))
    try:
        settings = from_environment()
        logs.configure(settings.server.log_level, settings.server.log_format)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # it is a text stream
        loaded = load(settings)
        servable, cost = loaded.servable, loaded.cost
        by_route = {
            endpoint.route: endpoint
            for endpoint in endpoints_of(settings.model, servable.interface).by_path.values()
        }
        channel.send(
            encode(
                Hello(
                    schema=msgspec.json.encode(servable.interface.schema),
                    joins=servable.joins,
                    base_s=None if cost is None else cost.base_s,
                    row_s=0.0 if cost is None else cost.row_s,
                )
            ),
            (),
        )
    except ShipmarkError as error:
        channel.send(encode(Failed(message=error.message, hint=error.hint)), ())
        return
    while (message := channel.receive()) is not None:
        first, bodies = message
        calls = _answer(servable, by_route, _decode(first), bodies)
        said = [_said(call) for call in calls]
        parts = [b"" if call.response is None else call.response.body for call in calls]
        channel.send(encode(Done(said)), parts)


def _answer(
    servable: Servable, endpoints: dict[str, Endpoint], job: Job, bodies: memoryview
) -> list[Call]:
    calls = []
    end = 0
    for asked in job.calls:
        begin, end = end, end + asked.size
        endpoint = endpoints[asked.route]
        call = Call(asked.route, endpoint, asked.head, asked.request_id, 0.0, _NEVER)
        call.body = bodies[begin:end]
        calls.append(call)
        try:
            servable.decode(call)
        except ServeError as error:
            call.error = error
    for batch in group([call for call in calls if call.error is None], job.max_batch_size):
        servable.run(batch)
    return calls


def _said(call: Call) -> Said:
    error, response = call.error, call.response
    if error is not None or response is None:
        return Said(
            error="predict-failed" if error is None else error.code,
            message="the model gave no answer" if error is None else error.message,
            hint="" if error is None else error.hint,
            rows=call.batch_rows,
            seconds=call.seconds,
        )
    return Said(
        size=len(response.body),
        media_type=response.media_type,
        headers=response.headers,
        rows=call.batch_rows,
        seconds=call.seconds,
    )


if __name__ == "__main__":
    try:
        main([int(argument) for argument in sys.argv[1:]])
    except Closed:
        sys.exit(0)
