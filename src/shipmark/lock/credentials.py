"""Names and passwords for indexes and mirrors: from their URLs or from netrc, never printed."""

import netrc
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from shipmark.errors import LockError
from shipmark.lock.sources import Sources

_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")

Login = tuple[str, str]
"""User name and password."""


def public(url: str) -> str:
    """`url` without user name, password and query, fit to be shown."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def bare(url: str) -> str:
    """`url` without user name and password, fit to be requested."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class Credentials:
    """Finds the login for a URL.

    Files often lie beside their index (`/simple/` and `/files/`), so a login holds for its whole
    origin; where one origin has several, that of the longest common path is taken.
    """

    def __init__(self, sources: Sources) -> None:
        urls = (*sources.indexes, *sources.find_links, *sources.mirrors.values())
        self._known = [
            (parts, (unquote(parts.username), unquote(parts.password or "")))
            for parts in map(urlsplit, urls)
            if parts.username
        ]
        self._netrc: netrc.netrc | None = None
        if sources.netrc is not None:
            try:
                self._netrc = netrc.netrc(str(sources.netrc))
            except (OSError, netrc.NetrcParseError) as error:
                # The error's text quotes the file, secrets and all.
                line = f", line {error.lineno}" if isinstance(error, netrc.NetrcParseError) else ""
                raise LockError(
                    f"{sources.netrc}{line} cannot be read as a netrc file",
                    hint="mend the file, or point NETRC to another",
                ) from None
        self._secrets = {
            secret
            for secret in (
                *(login[1] or login[0] for _, login in self._known),
                *(unquote(urlsplit(url).password or "") for url in sources.proxies.values()),
                *self._netrc_secrets(),
            )
            if secret
        }

    def login(self, url: str) -> Login | None:
        """The login for `url`, if there is one."""
        wanted = urlsplit(url)
        fitting = [known for known in self._known if _origin(known[0]) == _origin(wanted)]
        if fitting:
            return max(fitting, key=lambda known: _common(known[0].path, wanted.path))[1]
        if self._netrc is not None and wanted.hostname:
            # The entry `default` is passed over: it would hand a password to every host there is.
            found = self._netrc.hosts.get(wanted.hostname)
            if found is not None:
                return found[0], found[2] or ""
        return None

    def redact(self, text: str) -> str:
        """`text` of another program, without anything secret that is known here."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "****")
        return _USER_INFO.sub("", text)

    def _netrc_secrets(self) -> Iterable[str]:
        if self._netrc is None:
            return ()
        return (password for _, _, password in self._netrc.hosts.values() if password)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default


def _common(one: str, other: str) -> int:
    count = 0
    for left, right in zip(PurePosixPath(one).parts, PurePosixPath(other).parts, strict=False):
        if left != right:
            break
        count += 1
    return count
