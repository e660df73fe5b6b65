"""One generator as a process: told its load on standard input, it answers with its tally.

It says `ready` when its schedule is made and its connections are, and begins at the moment that is
then written to it, in time of `time.monotonic_ns`, which all processes of a host share.
"""

import ctypes
import gc
import resource
import sys
from array import array
from contextlib import suppress

import msgspec

from shipmark.measure.generator import Generator
from shipmark.measure.load import Load
from shipmark.measure.schedule import schedule, share


def main(index: int, count: int) -> None:
    """Be generator `index` of `count`."""
    load = msgspec.json.decode(sys.stdin.buffer.readline(), type=Load)
    with suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    times: array[float] = share(
        schedule(
            load.schedule,
            rate_per_s=load.rate_per_s,
            duration_s=load.duration_s,
            seed=load.seed,
        ),
        index=index,
        count=count,
    )
    generator = Generator(load, times)
    try:
        generator.warm()
    except OSError as error:
        _say(msgspec.json.encode(error.strerror or str(error)))
        return
    _say(b"null")
    begin_ns = msgspec.json.decode(sys.stdin.buffer.readline(), type=int)
    _wake_on_time()
    gc.freeze()
    gc.disable()  # nothing here makes cycles, and a collection would make requests late
    _say(msgspec.json.encode(generator.run(begin_ns)))


def _wake_on_time() -> None:
    """Let the kernel end a wait within a microsecond of its time; usually it takes 50 more."""
    set_timer_slack = 29  # PR_SET_TIMERSLACK of prctl(2)
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(set_timer_slack, 1000, 0, 0, 0)


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
