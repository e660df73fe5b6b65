"""HTTP for downloads: credentials, proxies, certificates, retries with back-off, clear errors."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from shipmark.errors import DownloadFailed
from shipmark.lock import faults
from shipmark.lock.credentials import Credentials, bare, public
from shipmark.lock.faults import Gone, Interrupted
from shipmark.lock.sources import Sources

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

CHUNK_BYTES = 1 << 18
DOCUMENT_LIMIT_BYTES = 128 << 20
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S = 30.0
_LEAST_BYTES_PER_S = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A small answer, read whole."""

    url: str
    """Where it came from after redirects; relative links in it start there."""
    body: bytes
    content_type: str = ""
    etag: str = ""
    modified: str = ""
    unchanged: bool = field(default=False)
    """The server said that the copy whose `etag` or `modified` was given still holds."""


def local_path(url: str) -> Path | None:
    """The path of a `file:` URL or a plain path; None for anything on the network."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(url) if not parts.scheme else None


class Transport:
    """One set of connections; may be used from several threads.

    Connections are opened when first needed: with everything cached, nothing is.
    """

    def __init__(self, sources: Sources) -> None:
        self.credentials = Credentials(sources)
        self.sources = sources
        self.cancelled = threading.Event()
        """Set it, and no more attempts are made, nor bytes read."""
        self._reached: set[str] = set()
        self._opening = threading.Lock()
        self._opened: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.close()

    def document(
        self, url: str, *, accept: str = "*/*", etag: str = "", modified: str = ""
    ) -> Document:
        """Read a small file whole.

        Args:
            url: `http:`, `https:`, `file:`, or a path.
            accept: Media types, as in the header.
            etag: That of a copy at hand; an unchanged document then comes without its body.
            modified: Its `Last-Modified`, likewise.

        Raises:
            Gone: There is nothing.
            DownloadFailed: It cannot be read.
        """
        path = local_path(url)
        if path is not None:
            with open_local(path) as stream:
                return Document(url=url, body=stream.read())
        headers = {"Accept": accept}
        if etag:
            headers["If-None-Match"] = etag
        if modified:
            headers["If-Modified-Since"] = modified

        def attempt() -> Document:
            with self.stream(url, headers) as response:
                body = bytearray()
                for chunk in self.chunks(response, raw=False):
                    body += chunk
                    if len(body) > DOCUMENT_LIMIT_BYTES:
                        raise DownloadFailed(
                            f"{public(url)} is longer than {DOCUMENT_LIMIT_BYTES >> 20} MiB"
                        )
                return Document(
                    url=bare(str(response.url)),
                    body=bytes(body),
                    content_type=response.headers.get("Content-Type", ""),
                    etag=response.headers.get("ETag", ""),
                    modified=response.headers.get("Last-Modified", ""),
                    unchanged=response.status_code == 304,
                )

        return self.retrying(url, attempt)

    @property
    def least_progress_bytes(self) -> int:
        """An attempt that brings fewer counts as none, or a dripping server would never end."""
        return int(_LEAST_BYTES_PER_S * self.sources.read_timeout_s)

    def retrying(self, url: str, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it does not raise Interrupted, a bounded number of times.

        Raises:
            DownloadFailed: No attempt came through.
        """
        tried = 0
        while True:
            try:
                return attempt()
            except Interrupted as fault:
                tried = 1 if fault.progressed else tried + 1
                most = self.sources.attempts
                if fault.unreached is not None and urlsplit(url).netloc not in self._reached:
                    most = min(most, fault.unreached)
                if tried >= most:
                    times = f"in {tried} attempts" if tried > 1 else "in one attempt"
                    raise DownloadFailed(
                        f"{public(url)} cannot be read, {times}: "
                        f"{self.credentials.redact(fault.reason)}",
                        hint="check the network and the proxy settings, or name another mirror "
                        "or index",
                    ) from None
                wait_s = self.sources.back_off_s * 2 ** (tried - 1)
                if self.cancelled.wait(min(max(wait_s, fault.wait_s or 0.0), _LONGEST_WAIT_S)):
                    raise DownloadFailed(f"{public(url)} was given up") from None

    @contextmanager
    def stream(self, url: str, headers: Mapping[str, str]) -> Iterator["httpx.Response"]:
        """Open `url` once; the body is not read yet.

        Raises:
            Interrupted: Another attempt may succeed.
            Gone: There is nothing.
            DownloadFailed: It cannot be read, and no other attempt would help.
        """
        import httpx  # noqa: PLC0415 - 0.35 s; a build with everything at hand does without

        try:
            with self._client().stream(
                "GET", bare(url), headers=dict(headers), auth=self._auth(url)
            ) as response:
                self._reached.add(urlsplit(url).netloc)
                self._refuse(url, response)
                yield response
        except httpx.InvalidURL as error:
            raise DownloadFailed(f"{public(url)} is not a URL: {error}") from None
        except (httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
            raise DownloadFailed(
                f"{public(url)} cannot be read: {self.credentials.redact(str(error))}"
            ) from None
        except httpx.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise DownloadFailed(
                    f"{public(url)}: the server's certificate is not trusted: {error}",
                    hint="if a proxy or company CA signs here, set SSL_CERT_FILE (or PIP_CERT) "
                    "to a file with its certificate",
                ) from None
            raise faults.interrupted(error, self.sources) from None

    def chunks(self, response: "httpx.Response", *, raw: bool = True) -> Iterator[bytes]:
        """The body piece by piece.

        Raises:
            Interrupted: It comes too slowly to be waited for.
        """
        window_s = self.sources.read_timeout_s
        started, count = time.monotonic(), 0
        for chunk in response.iter_raw() if raw else response.iter_bytes():
            yield chunk
            count += len(chunk)
            if (spent := time.monotonic() - started) > window_s:
                if count < _LEAST_BYTES_PER_S * spent:
                    raise Interrupted(f"only {count} bytes came in {spent:.1f} s")
                started, count = time.monotonic(), 0

    def _refuse(self, url: str, response: "httpx.Response") -> None:
        status = response.status_code
        if status < 400 or (status == 416 and "Range" in response.request.headers):
            return
        said = f"{public(url)} answered {status} {response.reason_phrase}".rstrip()
        if status in _AGAIN:
            after = response.headers.get("Retry-After", "")
            raise Interrupted(said, wait_s=float(after) if after.isdecimal() else None)
        if status in {404, 410}:
            raise Gone(said)
        if status in {401, 403}:
            raise DownloadFailed(
                said,
                hint="give a user name and password in the index URL of the environment "
                "(UV_INDEX_URL, PIP_INDEX_URL) or in netrc",
            )
        raise DownloadFailed(said)

    def _auth(self, url: str) -> "httpx.BasicAuth | None":
        import httpx  # noqa: PLC0415 - as in stream

        login = self.credentials.login(url)
        return httpx.BasicAuth(*login) if login is not None else None

    def _client(self) -> "httpx.Client":
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> "httpx.Client":
        import httpx  # noqa: PLC0415 - as in stream

        sources = self.sources
        trust = _trust(sources.ca_bundle)
        routes: dict[str, httpx.BaseTransport | None] = {
            f"{scheme}://": httpx.HTTPTransport(verify=trust, proxy=proxy)
            for scheme, proxy in sources.proxies.items()
            if scheme in {"http", "https", "all"}
        }
        for host in filter(None, map(str.strip, sources.proxies.get("no", "").split(","))):
            # As the environment's NO_PROXY is read: a host stands for its subdomains too.
            routes["all://" if host == "*" else f"all://*{host.removeprefix('*')}"] = None
        return httpx.Client(
            verify=trust,
            mounts=routes,
            trust_env=False,
            follow_redirects=True,
            timeout=httpx.Timeout(sources.read_timeout_s, connect=sources.connect_timeout_s),
            limits=httpx.Limits(max_connections=16),
            headers={"User-Agent": "shipmark", "Accept-Encoding": "identity"},
        )


def open_local(path: Path) -> BinaryIO:
    """Open a file of this host.

    Raises:
        Gone: It is not there.
        DownloadFailed: It cannot be read.
    """
    try:
        return path.open("rb")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise Gone(f"{path} is not a file") from None
    except OSError as error:
        raise DownloadFailed(f"{path} cannot be read: {error.strerror}") from None


def _trust(bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=bundle)
    except (OSError, ssl.SSLError) as error:
        raise DownloadFailed(
            f"the certificates in {bundle} cannot be read: {error}",
            hint="SSL_CERT_FILE, PIP_CERT or REQUESTS_CA_BUNDLE should name a PEM file",
        ) from None
