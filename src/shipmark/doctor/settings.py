"""Whether the settings for downloads can be read, and what they come to."""

from urllib.parse import urlsplit

from shipmark.doctor.finding import Finding
from shipmark.errors import LockError, ShipmarkError
from shipmark.lock.credentials import Credentials, public
from shipmark.lock.sources import Sources


def check(sources: Sources | ShipmarkError) -> Finding:
    """Tell what pip's, uv's and Shipmark's settings say, without anything secret.

    Args:
        sources: What they say, as `usable` gave it.
    """
    if isinstance(sources, ShipmarkError):
        return Finding.of(sources)
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
    return Finding.ok(", ".join(said))


def usable(sources: Sources) -> Sources | ShipmarkError:
    """The same, or what is wrong with a URL or with netrc."""
    named = {
        "a package index": sources.indexes,
        "find-links": sources.find_links,
        "a Debian mirror": sources.mirrors.values(),
        "a proxy": [url for scheme, url in sources.proxies.items() if scheme != "no"],
    }
    try:
        Credentials(sources)
    except ShipmarkError as error:
        return error
    except ValueError:
        pass  # an address: said below, by its setting
    for what, urls in named.items():
        for url in urls:
            if not _is_whole(url):
                # Not shown: what is wrong with it may be its password.
                return LockError(
                    f"the setting of {what} is not a URL with a host",
                    hint="write it like https://HOST/PATH; in a password, write / @ : # ? as "
                    "%2F %40 %3A %23 %3F",
                )
    return sources


def _is_whole(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"", "file"} or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False
