"""Whether the settings for downloads can be read, and what they say."""

from urllib.parse import urlsplit

from shipmark.doctor.finding import Finding
from shipmark.errors import ShipmarkError
from shipmark.lock.credentials import Credentials, public
from shipmark.lock.sources import Sources


def check(sources: Sources | ShipmarkError) -> Finding:
    """Tell what pip's, uv's and Shipmark's settings come to, without anything secret."""
    if isinstance(sources, ShipmarkError):
        return Finding.of(sources)
    Credentials(sources)  # reads netrc, or says what is wrong with it
    said = [f"index {' '.join(map(public, sources.indexes)) or 'none (no-index)'}"]
    if sources.find_links:
        said.append(f"find-links {' '.join(map(public, sources.find_links))}")
    said.append(f"mirror {public(sources.mirrors['debian'])}")
    for scheme, proxy in sorted(sources.proxies.items()):
        said.append(f"{scheme} proxy {proxy if scheme == 'no' else public(proxy)}")
    if sources.ca_bundle is not None:
        said.append(f"certificates {sources.ca_bundle}")
    if sources.netrc is not None:
        said.append(f"netrc {sources.netrc}")
    return _complete(sources) or Finding.ok(", ".join(said))


def _complete(sources: Sources) -> Finding | None:
    for url in (*sources.indexes, *sources.mirrors.values()):
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and not parts.hostname:
            return Finding.failed(
                f"{public(url)} names no host", mend="write it like https://HOST/PATH"
            )
    return None
