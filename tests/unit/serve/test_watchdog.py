"""Shows, with real processes, when the watchdog restarts, when it passes on, and that it reaps."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"


class Watched:
    """A watchdog over a `serve` whose body is given."""

    def __init__(self, body: str, before: str = "") -> None:
        code = (
            "import ctypes, os, signal, sys, time\n"
            "from shipmark_serve.watchdog import watch\n"
            f"{before}\n"
            "def serve(reporter):\n"
            + "".join(f"    {line}\n" for line in body.strip().splitlines())
            + "sys.exit(watch(serve))\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", code],
            env={"PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def finish(self) -> tuple[int, str]:
        """Its exit status, and what it printed beyond the lines read."""
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output


@pytest.fixture
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """The watchdog over the test's parameter."""
    body, *before = request.param
    one = Watched(body, *before)
    yield one
    if one.process.poll() is None:
        one.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            one.process.wait(5)
        one.process.kill()
    one.process.communicate()


def over(body: str, *before: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("watched", [(body, *before)], indirect=True, ids=["server"])


@over("sys.exit(7)")
def test_the_status_of_one_never_ready_passes_through(watched: Watched) -> None:
    assert watched.finish() == (7, "")


@over("os.kill(os.getpid(), signal.SIGKILL)")
def test_a_signal_that_ended_one_never_ready_passes_through(watched: Watched) -> None:
    assert watched.finish() == (128 + 9, "")


@over("raise RuntimeError('in init')")
def test_a_traceback_is_seen(watched: Watched) -> None:
    status, output = watched.finish()
    assert status == 1
    assert "RuntimeError: in init" in output


@over("reporter.ready(30); sys.exit(3)")
def test_three_restarts_in_a_minute_are_enough(watched: Watched) -> None:
    status, output = watched.finish()
    assert status == 3
    assert output.count("restart ") == 3
    assert output.strip().endswith("status 3, after 3 restarts in a minute")


@over("reporter.ready(30); return 0")
def test_to_end_unasked_is_to_fail(watched: Watched) -> None:
    assert watched.finish()[0] == 1


@over(
    """
reporter.ready(30)
print(os.getpid())
time.sleep(60)
"""
)
def test_a_server_that_was_ready_is_started_again(watched: Watched) -> None:
    first = int(watched.line())
    os.kill(first, signal.SIGKILL)
    assert "status 137: restart 1" in watched.line()
    second = int(watched.line())
    assert second != first


@over(
    """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
reporter.ready(30)
print("up")
time.sleep(60)
"""
)
def test_signals_are_passed_on_and_end_it(watched: Watched) -> None:
    assert watched.line() == "up"
    watched.process.send_signal(signal.SIGTERM)
    assert watched.finish() == (5, "")


@over(
    """
reporter.ready(0.5)
print(os.getpid())
for _ in range(8):
    time.sleep(0.2)
    reporter.beat()
print("still here")
time.sleep(60)
"""
)
def test_silence_is_ended(watched: Watched) -> None:
    first = watched.line()
    assert watched.line() == "still here"
    began = time.monotonic()
    assert "silent for 0.5 s" in watched.line()
    assert time.monotonic() - began < 3
    assert "restart 1" in watched.line()
    assert watched.line() != first


@over("print('loading'); time.sleep(2); return 0")
def test_loading_may_be_silent(watched: Watched) -> None:
    assert watched.line() == "loading"
    assert watched.finish() == (0, "")


SUBREAPER = "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)"


@over(
    """
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    if os.fork() == 0:
        time.sleep(0.3)
    os._exit(0)
os.waitpid(child, 0)
print("orphaned")
time.sleep(60)
""",
    SUBREAPER,
)
def test_orphans_are_reaped(watched: Watched) -> None:
    assert watched.line() == "orphaned"
    pid = watched.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    assert len(children.read_text().split()) == 2  # as PID 1 would, it adopts
    end = time.monotonic() + 5
    while len(children.read_text().split()) > 1:
        assert time.monotonic() < end
        time.sleep(0.05)


@over(
    """
helper = os.fork()
if helper == 0:
    time.sleep(3600)
reporter.ready(30)
print(helper)
sys.stdout.flush()
os._exit(1)
"""
)
def test_what_a_dead_server_had_started_is_ended(watched: Watched) -> None:
    helper = int(watched.line())
    assert "restart 1" in watched.line()
    end = time.monotonic() + 5
    while Path(f"/proc/{helper}").exists() and _state(helper) != "Z":
        assert time.monotonic() < end
        time.sleep(0.05)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_it_imports_next_to_nothing() -> None:
    code = (
        "import sys; import shipmark_serve.__main__; print(*(m for m in ('msgspec', 'asyncio', "
        "'numpy', 'logging', 'dataclasses', 'socket', 'uvicorn') if m in sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        check=True,
    )
    assert output.stdout == b"\n"
