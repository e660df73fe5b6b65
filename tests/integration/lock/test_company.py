"""Behind a company's logins, certificates and proxy it works, and nothing of them is told."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from shipmark.errors import DownloadFailed, ShipmarkError
from shipmark.lock import text
from shipmark.store import Store
from tests.integration.lock.conftest import Harbour
from tests.integration.lock.mirror import Index
from tests.unit.lock.loopback import serving
from tests.unit.lock.samples import package

LOGIN = "ada:s3cr%40t"
PLAIN = "ada:s3cr@t"


def files_below(folder: Path) -> str:
    return "\n".join(
        path.read_bytes().decode("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file() and "/uv/" not in str(path)
    )


@pytest.fixture
def private(harbour: Harbour) -> Index:
    index = Index(harbour.server, "/private")
    index.add("secret-sauce", "3.0")
    harbour.server.logins["/private/"] = PLAIN
    return index


def test_an_extra_index_with_a_login_in_its_url(
    harbour: Harbour, private: Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    harbour.configure(extra_index_urls=(private.url.replace("://", f"://{LOGIN}@"),))
    lock = harbour.lock(package("secret-sauce"))
    assert "secret-sauce" in {wheel.name for wheel in lock.platforms["linux/amd64"].wheels}
    harbour.configure(cache=tmp_path / "other")
    harbour.obtain(lock, Store(tmp_path / "store2"))
    told = text.dumps(lock) + files_below(tmp_path) + caplog.text
    for secret in ("s3cr", "ada:"):
        assert secret not in told


def test_an_extra_index_with_a_login_in_netrc(
    harbour: Harbour, private: Index, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password s3cr@t\n")
    harbour.configure(extra_index_urls=(private.url,), netrc=netrc)
    lock = harbour.lock(package("secret-sauce"))
    harbour.configure(cache=tmp_path / "other")
    harbour.obtain(lock, Store(tmp_path / "store2"))
    assert "s3cr" not in text.dumps(lock)


@pytest.mark.parametrize("login", ["", "ada:wr0ng@"])
def test_a_wrong_login_is_refused_and_not_told(
    harbour: Harbour, private: Index, login: str
) -> None:
    harbour.configure(extra_index_urls=(private.url.replace("://", f"://{login}"),))
    with pytest.raises(ShipmarkError) as caught:
        harbour.lock(package("secret-sauce"))
    assert "401" in caught.value.message
    assert "netrc" in caught.value.hint
    assert "wr0ng" not in caught.value.message + caught.value.hint


def test_a_company_certificate(
    harbour: Harbour, certificate: Callable[[], Path], tmp_path: Path
) -> None:
    with serving(certificate()) as server:
        index = Index(server)
        index.add_server_needs()
        index.add("greet", "1.0")
        harbour.configure(index_url=index.url)
        with pytest.raises(DownloadFailed) as caught:
            harbour.lock(package("greet"))
        assert "SSL_CERT_FILE" in caught.value.hint
        harbour.configure(ca_bundle=tmp_path / "ca.pem")
        lock = harbour.lock(package("greet"))
        harbour.configure(cache=tmp_path / "other")
        store = Store(tmp_path / "store2")
        harbour.obtain(lock, store)
        # The lookup of our own refuses an unknown certificate as well.
        harbour.configure(cache=tmp_path / "third", ca_bundle=None)
        with pytest.raises(DownloadFailed, match="certificate is not trusted"):
            harbour.obtain(lock, Store(tmp_path / "store3"))


def test_a_proxy_is_used_except_where_not(harbour: Harbour, tmp_path: Path) -> None:
    harbour.configure(proxies={"all": "http://u:s3cr@127.0.0.1:9"}, attempts=1)
    with pytest.raises(DownloadFailed) as caught:
        harbour.lock(package())
    assert "s3cr" not in caught.value.message
    harbour.configure(proxies={"http": "http://127.0.0.1:9", "no": "127.0.0.1"})
    harbour.obtain(harbour.lock(package()))


def test_an_index_on_disk_and_a_directory_of_wheels(harbour: Harbour, tmp_path: Path) -> None:
    from tests.integration.lock.mirror import wheel

    simple = tmp_path / "pypi" / "simple" / "local-thing"
    simple.mkdir(parents=True)
    for folder, name in ((tmp_path / "pypi" / "files", "local-thing"), (tmp_path / "w", "linked")):
        folder.mkdir()
        filename, body = wheel(name, "1.0")
        (folder / filename).write_bytes(body)
    simple.joinpath("index.html").write_text(
        '<a href="../../files/local_thing-1.0-py3-none-any.whl">x</a>'
    )
    harbour.configure(
        extra_index_urls=((tmp_path / "pypi" / "simple").as_uri(),),
        find_links=(str(tmp_path / "w"),),
        index_strategy="unsafe-best-match",
    )
    lock = harbour.lock(package("local-thing", "linked"))
    assert {"local-thing", "linked"} <= {w.name for w in lock.platforms["linux/amd64"].wheels}
    assert str(tmp_path) not in text.dumps(lock)
    harbour.configure(cache=tmp_path / "other")
    harbour.obtain(lock, Store(tmp_path / "store2"))
