"""What may be given as an address, and where the request goes then."""

import pytest

from shipmark.client import Address
from shipmark.errors import ShipmarkError


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1", 8080, "/predict"),
        ("http://127.0.0.1:8080/", "127.0.0.1", 8080, "/predict"),
        ("http://models/predict", "models", 80, "/predict"),
        ("https://models/digits/", "models", 443, "/digits/predict"),
        ("https://models/digits/predict?v=1", "models", 443, "/digits/predict?v=1"),
        ("http://[::1]:81", "::1", 81, "/predict"),
    ],
)
def test_address(url: str, host: str, port: int, target: str) -> None:
    address = Address.parse(url)

    assert (address.host, address.port, address.target) == (host, port, target)
    assert str(address).startswith(url.partition("?")[0].rstrip("/"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not a URL of http"),
        ("localhost:8080", "not a URL of http"),
        ("ftp://models/x", "not a URL of http"),
        ("http://", "not a URL of http"),
        ("http://models:port", "is not a URL"),
        ("http://models:99999", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("http://models/a b", "characters no URL has"),
        ("http://models/\r\nX-Evil: 1", "characters no URL has"),
        ("http://mödels/", "characters no URL has"),
    ],
)
def test_what_is_none(url: str, words: str) -> None:
    with pytest.raises(ShipmarkError, match=words) as caught:
        Address.parse(url)

    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ShipmarkError) as caught:
        Address.parse("http://me:hunter2@models/")

    assert "hunter2" not in str(caught.value)
