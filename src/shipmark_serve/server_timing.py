"""The `Server-Timing` header, for a caller that asked for it. Source: W3C, "Server Timing"."""

from shipmark_serve.call import Call
from shipmark_serve.response import Header


def header(call: Call, now: float) -> Header:
    """Where the time of a request went until now, in milliseconds."""
    total = f"total;dur={(now - call.began) * 1000:.3f}"
    if call.started:
        total = (
            f"queue;dur={(call.started - call.queued) * 1000:.3f}, "
            f'inference;dur={call.seconds * 1000:.3f};desc="{call.batch_rows} rows", {total}'
        )
    return b"server-timing", total.encode()
