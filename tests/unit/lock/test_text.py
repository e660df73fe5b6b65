"""The lock's file reads back as it was, shows edits by hand, and is there whole or not at all."""

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipmark import __version__
from shipmark.errors import LockError
from shipmark.lock import text
from shipmark.lock.lock import (
    BUILT_BY,
    FORMAT,
    Compressor,
    Deb,
    Expected,
    Lock,
    PlatformLock,
    Wheel,
)
from shipmark.package.package import FileEntry
from shipmark_serve.contract.model import Model, ServeSettings
from shipmark_serve.contract.schema import Json, Schema, Tensors, TensorSpec, Text
from tests.unit.lock.samples import entry, lock_of, package

words = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers(0, 2**62)

schemas = st.one_of(
    st.none(),
    st.builds(
        Schema,
        input=st.builds(
            Json,
            schema=st.sampled_from(
                [msgspec.Raw(b"{}"), msgspec.Raw(b'{ "enum":\n [null, "\\u0000"] }')]
            ),
        ),
        output=st.one_of(
            st.just(Text()),
            st.just(
                Tensors(
                    tensors=(TensorSpec(name="x", datatype="FP32", shape=(-1, 4)),), single=True
                )
            ),
        ),
    ),
)
models = st.builds(
    Model,
    name=words,
    version=words,
    code_digest=words,
    weights_digest=st.none() | words,
    runtime=words,
    entry=st.none() | words,
    golden=st.lists(words, max_size=2).map(tuple),
    schema=schemas,
    serve=st.builds(
        ServeSettings,
        timeout_s=st.floats(0.5, 1e6),
        max_wait_ms=st.none() | st.floats(0, 10),
        workers=st.none() | st.integers(1, 64),
    ),
)
debs = st.lists(
    st.builds(
        Deb,
        name=words,
        version=words,
        architecture=words,
        archive=words,
        path=words,
        sha256=words,
        size=numbers,
    ),
    max_size=2,
).map(tuple)
wheels = st.builds(Wheel, name=words, version=words, filename=words, sha256=words, size=numbers)
files = st.lists(
    st.builds(FileEntry, path=words, sha256=words, size=numbers, executable=st.booleans()),
    max_size=2,
).map(tuple)
tables = st.dictionaries(words, words, max_size=2)
locks = st.builds(
    Lock,
    model=models,
    env=tables,
    resources=tables,
    suite=words,
    base=st.none() | words,
    python=words,
    python_exact=words,
    epoch=numbers,
    compressor=st.builds(Compressor, version=words),
    requires=st.lists(words, max_size=2).map(tuple),
    system=st.lists(words, max_size=2).map(tuple),
    server=wheels,
    platforms=st.dictionaries(
        words,
        st.builds(PlatformLock, debs=debs, wheels=st.lists(wheels, max_size=2).map(tuple)),
        max_size=2,
    ),
    build_python=st.dictionaries(words, debs, max_size=2),
    code=files,
    weights=files,
    expected=st.dictionaries(words, st.builds(Expected, manifest=words, config=words), max_size=2),
)


@settings(max_examples=80, deadline=None)
@given(locks)
def test_every_lock_reads_back_as_it_was(lock: Lock) -> None:
    written = text.dumps(lock)
    again = text.loads(written)
    assert again == lock
    assert text.dumps(again) == written


@pytest.fixture
def lock() -> Lock:
    return lock_of(package("numpy>=2", code=(entry("model.py", "x"), entry("a/b.py", "y"))))


def test_each_deb_wheel_and_file_has_a_line(lock: Lock) -> None:
    lines = text.dumps(lock).splitlines()
    for name in ('name = "numpy"', 'path = "model.py"', 'path = "a/b.py"', '"python3.11-minimal"'):
        assert any(name in line and "sha256" in line for line in lines), name


def test_what_a_build_gave_is_no_part_of_the_digest(lock: Lock) -> None:
    built = msgspec.structs.replace(
        lock, expected={"linux/amd64": Expected(manifest="sha256:1", config="sha256:2")}
    )
    assert text.digest(built) == text.digest(lock)
    document = tomllib.loads(text.dumps(built))
    assert list(document)[-1] == "expected"
    assert document["digests"]["lock"] == text.digest(lock)


def test_everything_else_is_part_of_the_digest(lock: Lock) -> None:
    other = msgspec.structs.replace(lock, epoch=lock.epoch + 1)
    assert text.digest(other) != text.digest(lock)


def refused(written: str) -> LockError:
    with pytest.raises(LockError) as caught:
        text.loads(written, name="a/shipmark.lock")
    assert "a/shipmark.lock" in caught.value.message
    assert "shipmark lock" in caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("was", "becomes", "part"),
    [
        ('"numpy"', '"munpy"', "platforms.linux/amd64"),
        ('"model.py"', '"nodel.py"', "code"),
        ('suite = "bookworm"', 'suite = "trixie"', "settings"),
        ("timeout_s = 60.0", "timeout_s = 61.0", "model"),
        ('"numpy>=2"', '"numpy>=1"', "requires"),
        ("[env]", '[env]\nA = "b"', "env"),
    ],
)
def test_an_edit_by_hand_is_named(lock: Lock, was: str, becomes: str, part: str) -> None:
    written = text.dumps(lock)
    assert written.count(was) >= 1
    said = refused(written.replace(was, becomes, 1)).message
    assert said.endswith(f"was edited by hand: {part}")


def test_an_edit_that_mends_the_digest_of_its_part_is_found(lock: Lock) -> None:
    other = text.dumps(msgspec.structs.replace(lock, epoch=1))
    settings_sum = next(line for line in other.splitlines() if line.startswith("settings = "))
    mine = next(line for line in text.dumps(lock).splitlines() if line.startswith("settings = "))
    forged = text.dumps(lock).replace(f"epoch = {lock.epoch}", "epoch = 1")
    assert "edited by hand" in refused(forged.replace(mine, settings_sum)).message


def test_another_revision_says_which_shipmark_builds_it(lock: Lock) -> None:
    written = text.dumps(lock).replace("format = 1", "format = 7", 1)
    assert 'shipmark = ">=0.1"' in written
    said = refused(written.replace('">=0.1"', '">=2.3,<4"', 1))
    assert "format revision 7, which Shipmark <4,>=2.3 builds" in said.message
    assert f"this is Shipmark {__version__}, for revision 1" in said.message
    assert "pip install 'shipmark<4,>=2.3'" in said.hint


@pytest.mark.parametrize("says", ["3", '"; rm -rf /"', '""', "[]"])
def test_a_revision_that_says_nothing_sensible_needs_a_later_shipmark(
    lock: Lock, says: str
) -> None:
    written = text.dumps(lock).replace("format = 1", "format = 7", 1)
    said = refused(written.replace('shipmark = ">=0.1"', f"shipmark = {says}", 1))
    assert f"pip install 'shipmark>{__version__}'" in said.hint


def test_every_revision_up_to_this_one_has_a_builder() -> None:
    assert list(BUILT_BY) == list(range(1, FORMAT + 1))


def test_a_syntax_error_is_given_with_its_line(lock: Lock) -> None:
    assert "line 1" in refused("format = = 1").message


def test_a_merge_conflict_is_called_one(lock: Lock) -> None:
    written = text.dumps(lock).replace("epoch", "<<<<<<< HEAD\nepoch", 1)
    assert "merge conflict at line" in refused(written).message


@pytest.mark.parametrize("written", ["", "a = 1", 'format = "1"', "format = 1\nmodel = 3"])
def test_what_is_no_lock_is_refused(written: str) -> None:
    refused(written)


def test_a_file_is_replaced_whole(lock: Lock, tmp_path: Path) -> None:
    path = tmp_path / "shipmark.lock"
    text.write(path, lock)
    assert text.read(path) == lock
    text.write(path, msgspec.structs.replace(lock, epoch=1))
    assert text.read(path).epoch == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_there_or_not_text_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "shipmark.lock"
    with pytest.raises(LockError, match="there is no lock"):
        text.read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LockError, match="is not text"):
        text.read(path)
