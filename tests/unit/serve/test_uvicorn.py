"""Fails when the internals of uvicorn that the fast path leans on are no longer what they were."""

import inspect
from importlib import metadata

import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


def source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type] # classes and functions alike


def test_the_version_is_the_one_that_was_read() -> None:
    assert metadata.version("uvicorn") == "0.54.0"


def test_the_constructor_takes_what_it_took() -> None:
    parameters = list(inspect.signature(HttpToolsProtocol.__init__).parameters)
    assert parameters == ["self", "config", "server_state", "app_state", "_loop"]
    made = source(uvicorn.Server.startup)
    for argument in ("config=config", "server_state=self.server_state", "_loop=_loop"):
        assert argument in made


def test_the_names_that_are_used_are_there() -> None:
    init = source(HttpToolsProtocol.__init__)
    for name in ("cycle", "pipeline", "flow", "timeout_keep_alive_task", "headers", "connections"):
        assert f"self.{name}" in init
    begin = source(HttpToolsProtocol.on_message_begin)
    assert 'self.url = b""' in begin
    assert "self.headers = []" in begin
    assert '"headers": self.headers' in begin  # the scope has the list that is filled
    assert "self.expect_100_continue = False" in begin
    for name in ("read_paused", "write_paused"):
        assert f"self.{name}" in source(FlowControl)


def test_a_cycle_is_started_by_its_headers_and_says_when_it_is_over() -> None:
    headers = source(HttpToolsProtocol.on_headers_complete)
    assert "self._start_asgi_task(self.cycle, app)" in headers
    assert "on_response=self.on_response_complete" in headers
    assert "self.pipeline.appendleft((self.cycle, app))" in headers
    complete = source(HttpToolsProtocol.on_response_complete)
    assert "self._start_asgi_task(cycle, app)" in complete
    sent = source(RequestResponseCycle.send)
    assert sent.count("self.on_response()") == 1


def test_parser_callbacks_that_are_not_overridden_do_what_they_did() -> None:
    assert source(HttpToolsProtocol.on_url).count("self.url += url") == 1
    assert "self.headers.append((name, value))" in source(HttpToolsProtocol.on_header)
    assert "name = name.lower()" in source(HttpToolsProtocol.on_header)


def test_default_headers_are_replaced_and_not_changed() -> None:
    tick = source(uvicorn.Server.on_tick)
    assert "self.server_state.default_headers = date_header" in tick


def test_draining_asks_each_connection() -> None:
    shutdown = source(uvicorn.Server.shutdown)
    assert "connection.shutdown()" in shutdown
    assert "self.config.timeout_graceful_shutdown" in shutdown
    assert hasattr(httptools_impl, "HIGH_WATER_LIMIT")
