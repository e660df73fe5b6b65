"""Shows how a server ends and comes back: drained, killed, hung, or left without a watchdog."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.contracts.runtimes.serving import Server, python_package, serving

SLOW = """
import os, time

def predict(text):
    if text.startswith("sleep"):
        time.sleep(float(text.split()[1]))
    if text == "hang":
        time.sleep(3600)
    if text == "crash":
        os._exit(9)
    return text
"""


def came_back(server: Server, before: int) -> None:
    """Wait for another server process that is ready."""

    def another() -> bool:
        with suppress(IndexError):
            return server.server_pid != before and server.is_ready()
        return False

    server.wait_for(another)
    assert server.predict(b"again", "text/plain").body == b"again"


def test_sigterm_lets_requests_in_flight_end(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", SLOW)
    with serving(tmp_path / "model", model) as server, ThreadPoolExecutor(2) as callers:
        asked = [callers.submit(server.predict, b"sleep 0.7", "text/plain") for _ in range(2)]
        time.sleep(0.3)
        began = time.monotonic()
        assert server.stop() == 0
        assert [future.result().status for future in asked] == [200, 200]
        assert 0.5 < time.monotonic() - began < 5
        assert "draining: SIGTERM" in server.log


def test_the_grace_time_ends(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", SLOW)
    with (
        serving(tmp_path / "model", model, SHIPMARK_GRACE_S="1") as server,
        ThreadPoolExecutor(1) as callers,
    ):
        asked = callers.submit(server.predict, b"hang", "text/plain")
        time.sleep(0.3)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        answer = asked.result()
        assert (answer.status, answer.json["code"]) == (503, "not-ready")


def test_a_killed_server_comes_back(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", SLOW)
    with serving(tmp_path / "model", model) as server:
        before = server.server_pid
        os.kill(before, signal.SIGKILL)
        came_back(server, before)
        before = server.server_pid
        with suppress(OSError):
            server.predict(b"crash", "text/plain")
        came_back(server, before)
        assert "status 137: restart 1" in server.log
        assert "status 9: restart 2" in server.log
        assert server.stop() == 0


def test_a_stopped_server_is_killed_and_comes_back(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", SLOW)
    with serving(tmp_path / "model", model, SHIPMARK_HEARTBEAT_TIMEOUT_S="1") as server:
        time.sleep(2.5)  # as long as it beats, it is left alone
        before = server.server_pid
        os.kill(before, signal.SIGSTOP)
        came_back(server, before)
        assert "silent for 1 s" in server.log


def test_a_model_that_hangs_past_its_deadline_is_started_again(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", SLOW)
    env = {"SHIPMARK_HEARTBEAT_TIMEOUT_S": "1", "SHIPMARK_TIMEOUT_S": "0.5"}
    with serving(tmp_path / "model", model, **env) as server:
        before = server.server_pid
        assert server.predict(b"hang", "text/plain").status == 504
        came_back(server, before)
        assert "every inference thread is past its deadline" in server.log


def test_a_server_without_its_watchdog_ends(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", SLOW)
    with serving(tmp_path / "model", model, SHIPMARK_HEARTBEAT_TIMEOUT_S="1") as server:
        orphan = server.server_pid
        server.process.kill()
        server.wait()
        end = time.monotonic() + 10
        while _runs(orphan):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert "the watchdog is gone" in server.log


def _runs(pid: int) -> bool:
    """Whether it is there and no zombie: whoever adopted it may not reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
