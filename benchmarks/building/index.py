"""An index of Python packages on this host, that holds the wheels of one lock.

pip fills its cache from it once, whatever network there is; then its pages alone are asked for.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shipmark import digest as digests
from shipmark.lock.lock import Lock, Wheel
from shipmark.store import Store

_KEEP = "max-age=31536000, immutable"


@contextmanager
def serving(lock: Lock, platform: str, store: Store) -> Iterator[str]:
    """Serve the wheels that `lock` names, from a store that holds them; gives the index's URL.

    Source: PyPA, "Simple repository API".
    """
    wheels = lock.platforms[platform].wheels
    files = {
        f"/files/{wheel.filename}": store.path(digests.from_hex(wheel.sha256)) for wheel in wheels
    }
    pages = {f"/simple/{wheel.name}/": page(wheel).encode() for wheel in wheels}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if (text := pages.get(self.path)) is not None:
                self._head("text/html", len(text))
                self.wfile.write(text)
            elif (file := files.get(self.path)) is not None:
                self._head("application/octet-stream", file.stat().st_size)
                with file.open("rb") as stream:
                    shutil.copyfileobj(stream, self.wfile)
            else:
                self.send_error(404)

        def _head(self, kind: str, size: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(size))
            self.send_header("Cache-Control", _KEEP)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple/"
        finally:
            server.shutdown()
            thread.join()


def page(wheel: Wheel) -> str:
    """The page of one project."""
    link = f"/files/{escape(wheel.filename)}#sha256={wheel.sha256}"
    return f'<!DOCTYPE html><a href="{link}">{escape(wheel.filename)}</a>\n'
