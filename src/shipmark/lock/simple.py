"""What indexes and pages of links offer. Source: PyPA, "Simple repository API" (PEP 503, 691)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import msgspec
from packaging.utils import canonicalize_name

from shipmark.errors import DownloadFailed
from shipmark.lock.credentials import public
from shipmark.lock.faults import Gone
from shipmark.lock.transport import Document, Transport, local_path
from shipmark_serve.contract.records import ForeignRecord

_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SHA256 = re.compile(r"sha256=([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One file that an index offers."""

    filename: str
    url: str
    sha256: str | None = None
    """None where the index does not say."""
    size: int | None = None


class _File(ForeignRecord, frozen=True, kw_only=True, rename=None):
    filename: str
    url: str
    hashes: dict[str, str] = {}
    size: int | None = None


class _Project(ForeignRecord, frozen=True, kw_only=True, rename=None):
    files: list[_File]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") or ""
        if tag == "base":
            self.base = self.base or target
        elif tag == "a" and target:
            self.links.append(target)


def project(transport: Transport, index: str, name: str) -> list[Offer]:
    """The files of the project `name` in the index; empty where it does not know it.

    Raises:
        DownloadFailed: The index cannot be read.
    """
    url = f"{index.rstrip('/')}/{canonicalize_name(name)}/"
    path = local_path(url)
    if path is not None:
        url = (path / "index.html").as_uri()
    try:
        return offers(transport.document(url, accept=_ACCEPT))
    except Gone:
        return []


def links(transport: Transport, place: str) -> list[Offer]:
    """The files in a directory, or linked from a page; empty where there is none.

    Raises:
        DownloadFailed: The page cannot be read.
    """
    path = local_path(place)
    if path is not None and path.is_dir():
        return [Offer(filename=file.name, url=file.as_uri()) for file in sorted(path.iterdir())]
    try:
        return offers(transport.document(place if path is None else path.as_uri()))
    except Gone:
        return []


def offers(document: Document) -> list[Offer]:
    """Read a page of the Simple API (JSON or HTML) or any page of links.

    Raises:
        DownloadFailed: It is neither.
    """
    if document.content_type.partition(";")[0].strip() == _JSON:
        try:
            files = msgspec.json.decode(document.body, type=_Project).files
        except msgspec.MsgspecError as error:
            raise DownloadFailed(
                f"{public(document.url)} is not a page of the Simple API: {error}"
            ) from None
        return [
            Offer(
                filename=file.filename,
                url=urljoin(document.url, file.url),
                sha256=file.hashes.get("sha256"),
                size=file.size,
            )
            for file in files
            if _may_follow(document.url, urljoin(document.url, file.url))
        ]
    return list(_anchored(document))


def _anchored(document: Document) -> Iterator[Offer]:
    page = _Anchors()
    page.feed(document.body.decode("utf-8", "replace"))
    base = urljoin(document.url, page.base)
    for link in page.links:
        url, fragment = urldefrag(urljoin(base, link))
        if not _may_follow(document.url, url):
            continue
        found = _SHA256.search(fragment)
        yield Offer(
            filename=unquote(urlsplit(url).path.rpartition("/")[2]),
            url=url,
            sha256=found.group(1).lower() if found else None,
        )


def _may_follow(page: str, link: str) -> bool:
    """A page on the network may not point into this host's files."""
    scheme = urlsplit(link).scheme
    return scheme in {"http", "https"} or (scheme == "file" and local_path(page) is not None)
