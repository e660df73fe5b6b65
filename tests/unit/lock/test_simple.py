"""Pages of indexes are read in all their forms, and none may point into this host's files."""

import json
from pathlib import Path

import pytest

from shipmark.errors import DownloadFailed
from shipmark.lock import simple
from shipmark.lock.simple import Offer
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Document, Transport
from tests.unit.lock.loopback import serving

SHA = "ab" * 32


def test_html_with_relative_links_base_and_hashes() -> None:
    page = f"""<!DOCTYPE html><html><head><base href="/files/"></head><body>
    <a href="x-1-py3-none-any.whl#sha256={SHA}" data-requires-python="&gt;=3.8">x</a>
    <a href='https://cdn/y-1%2Bcpu-py3-none-any.whl'>y</a> <a>no address</a>
    <a href="#top">top</a></body></html>"""
    document = Document(url="https://h/simple/x/", body=page.encode(), content_type="text/html")
    offers = simple.offers(document)
    assert offers[0] == Offer(
        filename="x-1-py3-none-any.whl", url="https://h/files/x-1-py3-none-any.whl", sha256=SHA
    )
    assert offers[1].filename == "y-1+cpu-py3-none-any.whl"
    assert offers[1].sha256 is None


def test_json_with_sizes() -> None:
    body = {
        "meta": {"api-version": "1.1"},
        "name": "x",
        "files": [
            {"filename": "x.whl", "url": "../../f/x.whl", "hashes": {"sha256": SHA}, "size": 3},
            {"filename": "y.whl", "url": "y.whl", "hashes": {}, "yanked": True},
        ],
    }
    document = Document(
        url="https://h/simple/x/",
        body=json.dumps(body).encode(),
        content_type="application/vnd.pypi.simple.v1+json; charset=utf-8",
    )
    assert simple.offers(document) == [
        Offer(filename="x.whl", url="https://h/f/x.whl", sha256=SHA, size=3),
        Offer(filename="y.whl", url="https://h/simple/x/y.whl"),
    ]


def test_what_claims_to_be_json_and_is_not_is_refused() -> None:
    document = Document(
        url="https://u:secret@h/simple/x/",
        body=b"<html>",
        content_type="application/vnd.pypi.simple.v1+json",
    )
    with pytest.raises(DownloadFailed) as caught:
        simple.offers(document)
    assert "secret" not in caught.value.message


def test_a_page_on_the_network_may_not_point_into_this_host() -> None:
    page = b'<a href="file:///etc/passwd">x</a><a href="javascript:x">y</a>'
    assert simple.offers(Document(url="https://h/", body=page)) == []


def test_directories_and_indexes_on_disk(tmp_path: Path) -> None:
    index = tmp_path / "simple" / "my-thing"
    index.mkdir(parents=True)
    (index / "index.html").write_text(f'<a href="../../f/x.whl#sha256={SHA}">x.whl</a>')
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a b.whl").write_bytes(b"")
    with Transport(Sources(cache=tmp_path)) as transport:
        for root in (str(tmp_path / "simple"), (tmp_path / "simple").as_uri()):
            (offer,) = simple.project(transport, root, "My.Thing")
            assert offer == Offer(
                filename="x.whl", url=(tmp_path / "f" / "x.whl").as_uri(), sha256=SHA
            )
            assert simple.project(transport, root, "other") == []
        for place in (str(tmp_path / "wheels"), (tmp_path / "wheels").as_uri()):
            (offer,) = simple.links(transport, place)
            assert offer.filename == "a b.whl"
        assert simple.links(transport, str(tmp_path / "nowhere")) == []


def test_an_index_that_does_not_know_a_project_has_no_files(tmp_path: Path) -> None:
    with serving() as server, Transport(Sources(cache=tmp_path)) as transport:
        server.page("/simple/known/", {"x.whl": "/f/x.whl"})
        assert simple.project(transport, f"{server.url}/simple/", "unknown") == []
        assert len(simple.project(transport, f"{server.url}/simple", "known")) == 1
