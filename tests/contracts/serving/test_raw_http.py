"""Shows that whatever bytes a client sends, in whatever pieces, it gets what HTTP says it should.

After each of them the server still answers everybody else.
"""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.contracts.runtimes.serving import Server, python_package, serving

ECHO = """
import time
def predict(text):
    if text.startswith("sleep"):
        time.sleep(float(text.split()[1]))
    return text
"""
HOT = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
COLD = b"POST /predict? HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("raw") / "echo"
    model = python_package(root, ECHO)
    with serving(
        root,
        model,
        SHIPMARK_MAX_BODY_BYTES="100000",
        SHIPMARK_HEADER_TIMEOUT_S="1",
        SHIPMARK_TIMEOUT_S="2",
        SHIPMARK_KEEP_ALIVE_S="2",
        SHIPMARK_MAX_CONNECTIONS="100",
        SHIPMARK_ACCESS_LOG="1",
    ) as server:
        yield server


@pytest.fixture(autouse=True)
def still_answers(echo: Server) -> Iterator[None]:
    yield
    assert echo.predict(b"still here", "text/plain").body == b"still here"
    assert "Traceback" not in echo.log


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def request(body: bytes, before: bytes = HOT, *fields: bytes) -> bytes:
    head = b"".join(field + b"\r\n" for field in fields)
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (before, head, len(body), body)


def read_all(client: socket.socket) -> bytes:
    heard = b""
    while True:
        try:
            data = client.recv(65536)
        except ConnectionResetError:
            return heard
        if not data:
            return heard
        heard += data


def answers(client: socket.socket, count: int) -> list[tuple[int, dict[str, str], bytes]]:
    """Read so many responses, by their lengths."""
    found: list[tuple[int, dict[str, str], bytes]] = []
    heard = b""
    while len(found) < count:
        head, end, rest = heard.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
        status = int(lines[0].split()[1]) if end else 0
        length = 0 if status == 100 else int(fields.get("content-length", 0))
        if end and len(rest) >= length:
            found.append((status, fields, rest[:length]))
            heard = rest[length:]
            continue
        data = client.recv(65536)
        assert data, heard
        heard += data
    assert not heard
    return found


def bodies(client: socket.socket, count: int) -> list[bytes]:
    found = answers(client, count)
    assert [status for status, _, _ in found] == [200] * count
    return [body for _, _, body in found]


@pytest.mark.parametrize("before", [HOT, COLD])
def test_a_request_cut_at_each_byte(echo: Server, before: bytes) -> None:
    whole = request(b"0123456789", before)
    with connect(echo) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(1, len(whole)):
            client.sendall(whole[:cut])
            time.sleep(0.001)
            client.sendall(whole[cut:])
            assert bodies(client, 1) == [b"0123456789"]


@pytest.mark.parametrize("before", [HOT, COLD])
def test_a_client_that_leaves_at_each_byte(echo: Server, before: bytes) -> None:
    whole = request(b"0123456789", before)
    for cut in range(len(whole) + 1):
        with connect(echo) as client:
            client.sendall(whole[:cut])
            if cut % 2:  # with a reset
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("seed", range(4))
def test_pipelined_requests_are_answered_in_order(echo: Server, seed: int) -> None:
    random = Random(seed)
    wanted, sent = [], b""
    for number in range(60):
        body = b"%d" % number * random.choice((1, 1, 50))
        if random.random() < 0.2:
            body = b"sleep 0.00%d" % random.randrange(9)
        wanted.append(body)
        sent += request(body, random.choice((HOT, HOT, COLD)))
    with connect(echo) as client:
        while sent:
            size = random.randrange(1, 2000)
            client.sendall(sent[:size])
            sent = sent[size:]
        assert bodies(client, 60) == wanted


def test_chunks_with_extensions_and_trailers(echo: Server) -> None:
    for before in (HOT, COLD):
        with connect(echo) as client:
            head = before + b"Transfer-Encoding: chunked\r\n\r\n"
            for piece in (head, b"3;x=y\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\nX-Late: 1\r\n\r\n"):
                client.sendall(piece)
                time.sleep(0.01)
            assert bodies(client, 1) == [b"abcde"]
            client.sendall(request(b"next", before))
            assert bodies(client, 1) == [b"next"]


def test_the_same_head_with_other_lengths(echo: Server) -> None:
    with connect(echo) as client:
        for length in (3, 3, 4, 0, 30_000, 3, 100_000, 5):
            client.sendall(request(b"x" * length, HOT, b"X-Same: 1"))
            assert bodies(client, 1) == [b"x" * length]
        client.sendall(request(b"x" * 100_001, HOT, b"X-Same: 1"))
        assert answers(client, 1)[0][0] == 413
        client.sendall(request(b"after", HOT, b"X-Same: 1"))
        assert bodies(client, 1) == [b"after"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"POST /predict HTTP/9.9\r\n\r\n",
        HOT + b"Content-Length: x\r\n\r\n",
        HOT + b"Content-Length: -1\r\n\r\n",
        HOT + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        HOT + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HOT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        COLD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HOT + b"Bad Header: 1\r\nContent-Length: 0\r\n\r\n",
        HOT + b" folded: 1\r\n\r\n",
        b"POST \x7f\x80 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_closed(echo: Server, data: bytes) -> None:
    with connect(echo) as client:
        client.sendall(data)
        heard = read_all(client)
    assert heard.startswith(b"HTTP/1.1 400 "), heard
    assert heard.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in heard


def test_what_came_before_nonsense_is_answered(echo: Server) -> None:
    with connect(echo) as client:
        client.sendall(request(b"sleep 0.1") + request(b"second") + b"\0\0nonsense\r\n\r\n")
        first, second, third = answers(client, 3)
        assert (first[2], second[2], third[0]) == (b"sleep 0.1", b"second", 400)
        assert read_all(client) == b""


@pytest.mark.parametrize(
    "data",
    [
        HOT + b"X: " + b"a" * 40_000 + b"\r\nContent-Length: 0\r\n\r\n",
        HOT + b"X: " + b"a" * 400_000,
        HOT + b"X: a\r\n" * 10_000 + b"\r\n",
        b"POST /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /" + b"a" * 400_000,
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
)
def test_a_head_that_is_too_long(echo: Server, data: bytes) -> None:
    with connect(echo) as client:
        client.sendall(data)
        heard = read_all(client)
    assert heard.startswith(b"HTTP/1.1 431 "), heard[:200]


def test_trailers_without_end(echo: Server) -> None:
    with connect(echo) as client:
        client.sendall(HOT + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
        try:
            for _ in range(100):
                client.sendall(b"X: " + b"a" * 10_000 + b"\r\n")
        except OSError:
            return
        assert read_all(client).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(
    ("sent", "drip"),
    [(b"", b""), (b"\r\n", b"\r\n"), (HOT, b"X"), (HOT + b"Content-Length: 90\r\n\r\n", b"a")],
)
def test_slow_clients_are_given_up(echo: Server, sent: bytes, drip: bytes) -> None:
    began = time.monotonic()
    with connect(echo) as client:
        client.sendall(sent)
        client.settimeout(0.2)
        heard = b""
        while time.monotonic() - began < 8:
            try:
                data = client.recv(65536)
            except TimeoutError:
                client.sendall(drip)
                continue
            if not data:
                break
            heard += data
    assert time.monotonic() - began < 6
    assert heard.startswith(b"HTTP/1.1 408 ") if len(sent) > 2 else heard == b""


def test_a_client_that_never_reads_holds_nobody_up(echo: Server) -> None:
    with connect(echo) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0.5)
        try:
            for _ in range(400):
                client.sendall(request(b"x" * 50_000))
        except TimeoutError:
            pass
        assert echo.predict(b"another", "text/plain").body == b"another"


def test_expect_continue(echo: Server) -> None:
    for before in (HOT, COLD):
        with connect(echo) as client:
            head = before + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
            client.sendall(head)
            assert answers(client, 1)[0][0] == 100
            client.sendall(b"abc")
            assert bodies(client, 1) == [b"abc"]


def test_connections_are_closed_when_asked(echo: Server) -> None:
    for before in (HOT, COLD):
        with connect(echo) as client:
            client.sendall(request(b"a", before, b"Connection: close") + request(b"never"))
            heard = read_all(client)
            assert heard.count(b"HTTP/1.1 200") == 1
            assert b"connection: close" in heard
    with connect(echo) as client:
        client.sendall(b"POST /predict HTTP/1.0\r\nContent-Length: 1\r\n\r\na")
        assert read_all(client).endswith(b"\r\n\r\na")


def test_an_upgrade_is_not_made(echo: Server) -> None:
    with connect(echo) as client:
        client.sendall(request(b"a", HOT, b"Connection: Upgrade", b"Upgrade: h2c"))
        assert answers(client, 1)[0][0] == 200


def test_more_connections_than_there_should_be(echo: Server) -> None:
    crowd = [connect(echo) for _ in range(120)]
    try:
        time.sleep(0.2)
        with connect(echo) as client:
            client.sendall(request(b"a"))
            assert read_all(client).startswith(b"HTTP/1.1 503 ")
        assert echo.is_ready()
    finally:
        for client in crowd:
            client.close()
    time.sleep(0.2)


def test_the_caller_says_how_long_it_waits(echo: Server) -> None:
    for before in (HOT, COLD):
        with connect(echo) as client:
            began = time.monotonic()
            client.sendall(request(b"sleep 0.6", before, b"X-Request-Timeout: 0.1"))
            assert answers(client, 1)[0][0] == 504
            assert time.monotonic() - began < 0.4
            client.sendall(request(b"x", before, b"X-Request-Timeout: soon"))
            assert answers(client, 1)[0][0] == 400
            time.sleep(0.6)


def test_work_of_a_caller_that_has_left_is_not_begun(echo: Server) -> None:
    with connect(echo) as client, connect(echo) as leaver:
        client.sendall(request(b"sleep 0.3"))
        time.sleep(0.05)
        leaver.sendall(request(b"sleep 1.5"))
        time.sleep(0.05)
        leaver.close()
        assert bodies(client, 1) == [b"sleep 0.3"]
        began = time.monotonic()
        client.sendall(request(b"quick"))
        assert bodies(client, 1) == [b"quick"]
        assert time.monotonic() - began < 1


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_noise_leaves_memory_flat(echo: Server) -> None:
    random = Random(3)
    valid = [request(b"abc"), request(b"abc", COLD), HOT + b"Transfer-Encoding: chunked\r\n\r\n"]

    def noise(count: int) -> None:
        for _ in range(count):
            data = bytearray(random.choice(valid) * random.choice((1, 3)))
            for _ in range(random.randrange(4)):
                data[random.randrange(len(data))] = random.randrange(256)
            with connect(echo) as client:
                client.sendall(bytes(data))
                if random.random() < 0.5:
                    client.settimeout(0.02)
                    with_suppressed(lambda: client.recv(100))

    noise(200)
    before = resident_kb(echo.server_pid)
    noise(600)
    assert resident_kb(echo.server_pid) - before < 5_000


def with_suppressed(act: Callable[[], object]) -> None:
    try:
        act()
    except OSError:
        return
