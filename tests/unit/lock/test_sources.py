"""pip's and uv's settings, proxies, certificates and netrc are read as those programs read them."""

import os
import re
from pathlib import Path

import pytest

from shipmark.cli import sources as host
from shipmark.cli.sources import sources_from_host
from shipmark.errors import LockError
from shipmark.lock.sources import Sources


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host without settings."""
    for name in list(os.environ):
        if re.match(
            r"PIP_|UV_|SHIPMARK_|XDG_|NETRC|SSL_|REQUESTS_|CURL_|.*_proxy$", name, re.IGNORECASE
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    real = host._pip_files
    monkeypatch.setattr(
        host,
        "_pip_files",
        lambda environment: (p for p in real(environment) if p.is_relative_to(tmp_path)),
    )
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(home: Path) -> Sources:
    return sources_from_host(cache=home / "cache")


def test_a_host_without_settings_uses_pypi_and_debian(home: Path) -> None:
    assert read(home) == Sources(cache=home / "cache")


def test_pip_files_are_read_and_the_nearer_one_wins(home: Path) -> None:
    write(
        home / "xdg" / "pip" / "pip.conf",
        "[global]\nindex-url = https://everyone/simple\ntimeout = 5\ncert = /etc/ca.pem\n",
    )
    write(
        home / ".config" / "pip" / "pip.conf",
        "[global]\nextra-index-url = file:///opt/pypi/simple\n    https://b/simple\n"
        "[install]\nfind_links = /opt/wheels\nindex-url = https://mine/simple\n",
    )
    found = read(home)
    assert found.index_url == "https://mine/simple"
    assert found.extra_index_urls == ("file:///opt/pypi/simple", "https://b/simple")
    assert found.find_links == ("/opt/wheels",)
    assert found.ca_bundle == Path("/etc/ca.pem")
    assert found.read_timeout_s == 5


def test_a_named_pip_file_and_the_environment_weigh_more(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".pip" / "pip.conf", "[global]\nindex-url = https://file/simple\nno-index = yes\n")
    write(home / "named.conf", "[global]\nindex-url = https://named/simple\n")
    assert read(home).no_index
    monkeypatch.setenv("PIP_CONFIG_FILE", str(home / "named.conf"))
    assert read(home).index_url == "https://named/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable/simple")
    assert read(home).index_url == "https://variable/simple"
    monkeypatch.setenv("UV_INDEX_URL", "https://uv/simple")
    assert read(home).index_url == "https://uv/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://default/simple")
    assert read(home).index_url == "https://default/simple"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert not read(home).no_index


def test_uv_indexes_come_first_and_lose_their_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX", "corp=https://a/simple https://b/simple?x=y")
    monkeypatch.setenv("UV_EXTRA_INDEX_URL", "https://c/simple")
    assert read(home).index_strategy == "first-index"
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://d/simple https://c/simple")
    found = read(home)
    assert found.extra_index_urls == (
        "https://a/simple",
        "https://b/simple?x=y",
        "https://c/simple",
        "https://d/simple",
    )
    assert found.indexes[-1] == "https://pypi.org/simple"
    assert found.index_strategy == "unsafe-best-match"
    monkeypatch.setenv("UV_INDEX_STRATEGY", "unsafe-first-match")
    assert read(home).index_strategy == "unsafe-first-match"
    monkeypatch.setenv("UV_INDEX_STRATEGY", "sideways")
    with pytest.raises(LockError, match="sideways"):
        read(home)


def test_places_of_wheels_are_absolute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("UV_FIND_LINKS", "wheels,https://h/links")
    monkeypatch.setenv("PIP_FIND_LINKS", "~/more file:///opt/wheels")
    assert read(home).find_links == (
        str(home / "wheels"),
        "https://h/links",
        str(home / "more"),
        "file:///opt/wheels",
    )


@pytest.mark.parametrize(
    "name", ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
)
def test_a_company_certificate(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/etc/corp.pem")
    assert read(home).ca_bundle == Path("/etc/corp.pem")


def test_netrc(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".netrc", "")
    assert read(home).netrc == home / ".netrc"
    write(home / "other", "")
    monkeypatch.setenv("NETRC", str(home / "other"))
    assert read(home).netrc == home / "other"


def test_proxies(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_PROXY", "proxy:1")
    assert read(home).proxies == {"all": "http://proxy:1"}
    monkeypatch.setenv("HTTPS_PROXY", "proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost,.corp")
    assert read(home).proxies == {"https": "http://proxy:3128", "no": "localhost,.corp"}


def test_debian_mirrors(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPMARK_DEBIAN_MIRROR", "http://mirror/debian")
    assert read(home).mirrors == {
        "debian": "http://mirror/debian",
        "debian-security": "https://deb.debian.org/debian-security",
    }


def test_a_broken_pip_file_is_named_and_not_quoted(home: Path) -> None:
    write(home / ".pip" / "pip.conf", "[global]\nindex-url s3cret\n")
    with pytest.raises(LockError) as caught:
        read(home)
    assert str(home / ".pip" / "pip.conf") in caught.value.message
    assert "s3cret" not in caught.value.message


def test_a_timeout_that_is_no_number_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "soon")
    with pytest.raises(LockError, match="soon"):
        read(home)
