"""The page of the lock has every section and key that a lock can have."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipmark.lock import text
from shipmark.lock.lock import Compressor, Deb, Expected, Lock, PlatformLock, Wheel
from shipmark.package.package import FileEntry
from shipmark_serve.contract.model import Model, ServeSettings

PAGE = (Path(__file__).parents[2] / "docs/reference/lock-file.md").read_text(encoding="utf-8")

DEB = Deb(
    name="libc6",
    version="2.36",
    architecture="amd64",
    archive="debian",
    path="pool/main/libc6.deb",
    sha256="0" * 64,
    size=1,
)
WHEEL = Wheel(name="a", version="1", filename="a-1-py3-none-any.whl", sha256="0" * 64, size=1)
FILE = FileEntry(path="model.py", sha256="0" * 64, size=1)
LOCK = Lock(
    model=Model(name="m", version="1", code_digest="sha256:0", runtime="python", entry="model.py"),
    env={"A": "b"},
    resources={"cpus": "1"},
    suite="bookworm",
    python="3.11",
    python_exact="3.11.2",
    epoch=0,
    compressor=Compressor(version="1"),
    requires=("a",),
    server=WHEEL,
    platforms={"linux/amd64": PlatformLock(debs=(DEB,), wheels=(WHEEL,))},
    build_python={"amd64": (DEB,)},
    code=(FILE,),
    weights=(FILE,),
    expected={"linux/amd64": Expected(manifest="sha256:0", config="sha256:0")},
)
RECORDS = (Lock, PlatformLock, Deb, Wheel, Compressor, Expected, FileEntry, Model, ServeSettings)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_key_of_every_record(record: type[msgspec.Struct]) -> None:
    missing = [key for key in record.__struct_fields__ if not _is_on_page(key)]

    assert missing == []


def _is_on_page(key: str) -> bool:
    return any(form in PAGE for form in (f"`{key}`", f"`[{key}]`", f"`[{key}.", f"`[model.{key}]`"))


def test_every_section_of_a_written_lock() -> None:
    document = tomllib.loads(text.dumps(LOCK))

    assert {"digests", "expected"} <= set(document)
    for section in _sections(document):
        plain = section.replace("linux/amd64", "OS/ARCH")
        assert f"`[{plain}]`" in PAGE, plain


def _sections(table: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            path = f'{above}"{key}"' if "/" in key else f"{above}{key}"
            if key not in {"platforms", "expected"}:
                yield path
            yield from _sections(value, f"{path}.")
