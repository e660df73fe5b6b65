"""Shows several HTTP processes on one port: supervised together, counted together."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contracts.runtimes.serving import Server, python_package, serving, started

PID = """
import os, time
def predict(text):
    if text == "slow":
        time.sleep(0.5)
    return str(os.getpid())
"""


def pids(server: Server) -> list[int]:
    """Who answers."""
    with ThreadPoolExecutor(16) as callers:
        answers = callers.map(lambda _: server.predict(b"", "text/plain").body, range(64))
        return [int(answer) for answer in answers]


def both(server: Server) -> bool:
    try:
        return len(set(pids(server))) == 2
    except (OSError, ValueError):
        return False


def own_port() -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    return {"SHIPMARK_LISTEN_FD": "", "SHIPMARK_HOST": "127.0.0.1", "PORT": port}


@pytest.mark.parametrize("inherited", [True, False])
def test_workers_share_a_port_and_are_restarted(tmp_path: Path, inherited: bool) -> None:
    model = python_package(tmp_path / "model", PID)
    env = {"SHIPMARK_WORKERS": "2"} | ({} if inherited else own_port())
    with started(tmp_path / "model", model, **env) as server:
        if not inherited:
            server.port = int(env["PORT"])
        server.wait_for(lambda: server.is_ready() and both(server))
        assert "worker 1 of 2" in server.log
        answered = pids(server)
        for victim in set(answered):
            os.kill(victim, signal.SIGKILL)
            server.wait_for(lambda victim=victim: both(server) and victim not in pids(server))
        assert not set(answered) & set(pids(server))
        text = server.request("GET", "/metrics").body.decode()
        line = 'shipmark_requests_total{route="predict",code="200"} '
        counted = float(next(row for row in text.splitlines() if row.startswith(line)).split()[-1])
        assert counted >= 64 * 3
        assert server.stop() == 0


def test_all_workers_drain(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", PID)
    with serving(tmp_path / "model", model, SHIPMARK_WORKERS="2") as server:
        server.wait_for(lambda: both(server))
        with ThreadPoolExecutor(4) as callers:
            asked = [callers.submit(server.predict, b"slow", "text/plain") for _ in range(2)]
            time.sleep(0.2)
            assert server.stop() == 0
            assert [future.result().status for future in asked] == [200, 200]
        assert server.log.count("draining: SIGTERM") == 2


def test_a_port_that_the_system_chooses_cannot_be_shared(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", PID)
    env = {"SHIPMARK_WORKERS": "2", "SHIPMARK_LISTEN_FD": "", "PORT": "0"}
    with started(tmp_path / "model", model, **env) as server:
        assert server.wait() == 1
        assert "set PORT" in server.log
