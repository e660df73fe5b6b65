"""Where this host gets debs and wheels: pip's and uv's settings, proxies, certificates, netrc.

Of uv its environment is read, of pip its environment and configuration files, and what uv's
variables say goes first. Indexes named for pip are weighed as pip weighs them, all alike; those
named for uv as uv does: the first that knows a name answers for it (UV_INDEX_STRATEGY).
"""

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from shipmark.errors import LockError
from shipmark.lock.sources import DEBIAN_MIRRORS, IndexStrategy, Sources

_MIRROR_VARIABLES = {
    "debian": "SHIPMARK_DEBIAN_MIRROR",
    "debian-security": "SHIPMARK_DEBIAN_SECURITY_MIRROR",
}
_UV_INDEX_NAME = re.compile(r"^[A-Za-z0-9._-]+=(?=[^=]*[:/])")
_TRUE = {"1", "true", "yes", "on", "t", "y"}


def sources_from_host(*, cache: Path) -> Sources:
    """Read this host's settings.

    Raises:
        LockError: A configuration file or a setting cannot be read.
    """
    environment = os.environ
    pip = _pip_settings(environment)
    extra_of_pip = _words(pip.get("extra-index-url"))
    defaults = Sources(cache=cache)
    return Sources(
        cache=cache,
        index_url=(
            environment.get("UV_DEFAULT_INDEX")
            or environment.get("UV_INDEX_URL")
            or pip.get("index-url")
            or defaults.index_url
        ),
        extra_index_urls=_each_once(
            *(_UV_INDEX_NAME.sub("", word) for word in _words(environment.get("UV_INDEX"))),
            *_words(environment.get("UV_EXTRA_INDEX_URL")),
            *extra_of_pip,
        ),
        find_links=_each_once(
            *map(_place, _words(environment.get("UV_FIND_LINKS", "").replace(",", " "))),
            *map(_place, _words(pip.get("find-links"))),
        ),
        no_index=_is_true(environment.get("UV_NO_INDEX")) or _is_true(pip.get("no-index")),
        index_strategy=_strategy(environment, pip_has_extra=bool(extra_of_pip)),
        mirrors={
            archive: environment.get(_MIRROR_VARIABLES[archive]) or url
            for archive, url in DEBIAN_MIRRORS.items()
        },
        ca_bundle=_ca_bundle(environment, pip),
        netrc=_netrc(environment),
        proxies=_proxies(environment, pip.get("proxy")),
        read_timeout_s=_timeout_s(environment, pip) or defaults.read_timeout_s,
    )


def _pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Pip's settings by the names of its options. Source: pip, "Configuration"."""
    parser = configparser.RawConfigParser()
    for path in _pip_files(environment):
        try:
            with path.open(encoding="utf-8") as stream:
                parser.read_file(stream)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            # The message of a parse error quotes lines, which may hold passwords.
            line = getattr(error, "lineno", None)
            where = f"{path}:{line}" if isinstance(line, int) else str(path)
            raise LockError(
                f"pip's configuration file {where} cannot be read",
                hint="mend the file, or set PIP_CONFIG_FILE=/dev/null to do without",
            ) from None
    settings: dict[str, str] = {}
    for section in ("global", "download", "install"):
        if parser.has_section(section):
            settings |= {_option(key): value for key, value in parser.items(section)}
    for key, value in environment.items():
        if key.startswith("PIP_") and value:
            settings[_option(key.removeprefix("PIP_"))] = value
    return settings


def _pip_files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Those that exist or not, the weightier later."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    home = Path(environment.get("HOME") or Path.home())
    for folder in reversed((environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def _option(key: str) -> str:
    return key.lower().replace("_", "-")


def _words(value: str | None) -> list[str]:
    return (value or "").split()


def _each_once(*values: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _place(place: str) -> str:
    return place if "://" in place or place.startswith("file:") else str(_path(place))


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _is_true(value: str | None) -> bool:
    return (value or "").lower() in _TRUE


def _strategy(environment: Mapping[str, str], *, pip_has_extra: bool) -> IndexStrategy:
    default = "unsafe-best-match" if pip_has_extra else "first-index"
    wanted = environment.get("UV_INDEX_STRATEGY") or default
    for strategy in get_args(IndexStrategy):
        if strategy == wanted:
            known: IndexStrategy = strategy
            return known
    raise LockError(
        f"UV_INDEX_STRATEGY is {wanted!r}",
        hint=f"it is one of: {', '.join(get_args(IndexStrategy))}",
    )


def _ca_bundle(environment: Mapping[str, str], pip: Mapping[str, str]) -> Path | None:
    for value in (
        environment.get("SSL_CERT_FILE"),
        pip.get("cert"),
        environment.get("REQUESTS_CA_BUNDLE"),
        environment.get("CURL_CA_BUNDLE"),
    ):
        if value:
            return _path(value)
    return None


def _netrc(environment: Mapping[str, str]) -> Path | None:
    path = _path(environment.get("NETRC") or "~/.netrc")
    return path if path.is_file() else None


def _proxies(environment: Mapping[str, str], of_pip: str | None) -> dict[str, str]:
    proxies = {}
    for scheme in ("http", "https", "all", "no"):
        name = f"{scheme}_proxy"
        value = environment.get(name) or environment.get(name.upper())
        if value:
            proxies[scheme] = value if scheme == "no" or "://" in value else f"http://{value}"
    if of_pip and not proxies.keys() & {"http", "https", "all"}:
        proxies["all"] = of_pip if "://" in of_pip else f"http://{of_pip}"
    return proxies


def _timeout_s(environment: Mapping[str, str], pip: Mapping[str, str]) -> float | None:
    value = environment.get("UV_HTTP_TIMEOUT") or pip.get("timeout") or pip.get("default-timeout")
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        raise LockError(
            f"the timeout for downloads is {value!r}",
            hint="UV_HTTP_TIMEOUT and pip's timeout are numbers of seconds",
        ) from None
