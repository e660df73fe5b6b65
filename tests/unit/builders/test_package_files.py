"""The package's own files are checked as they pass; weights are compressed where that helps."""

import io
import random
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.builders.package_files import compresses, files
from shipmark.errors import PackageError
from tests.unit.builders.materials import Folder

NOISE = random.Random(3).randbytes(400_000)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_other_content_than_locked_is_never_given_out_whole(locked: bytes, now: bytes) -> None:
    folder = Folder({"model.py": locked})
    [file] = files(folder.entries("model.py"), folder)
    assert file.path == "app/model.py"
    folder.files["model.py"] = now
    if now == locked:
        assert file.read() == locked
        return
    with pytest.raises(PackageError, match=r"model\.py changed"):
        file.read()


def test_a_file_that_is_gone_is_the_authors_error() -> None:
    folder = Folder({"model.py": b"x"})
    [file] = files(folder.entries("model.py"), folder)
    folder.files.clear()
    with pytest.raises(PackageError):
        file.read()


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ({"a": bytes(400_000)}, True),
        ({"a": NOISE}, False),
        ({"a": NOISE, "b": bytes(1_000)}, False),
        ({"a": NOISE[:100_000], "b": bytes(300_000)}, True),
        ({"a": b"", "b": NOISE, "c": b""}, False),
        ({"a": b""}, False),
        ({"a": b"x"}, False),
    ],
)
def test_weights_are_compressed_where_it_helps(contents: dict[str, bytes], expected: bool) -> None:
    folder = Folder(contents)
    entries = folder.entries(*contents)
    assert compresses(entries, folder, 3) is expected
    assert compresses(entries[::-1], folder, 3) is expected


def floats(kind: str) -> bytes:
    """Weights as networks have them: small numbers around zero."""
    numbers = np.random.default_rng(3).normal(0, 0.05, 400_000).astype(np.float32)
    match kind:
        case "bfloat16":
            return (numbers.view(np.uint32) >> 16).astype(np.uint16).tobytes()
        case "sparse":
            return np.where(np.abs(numbers) < 0.1, 0, numbers).astype(np.float32).tobytes()
        case "4 bits":
            return np.clip(numbers * 60, -8, 7).astype(np.int8).tobytes()
        case "int8":
            return np.clip(numbers * 600, -127, 127).astype(np.int8).tobytes()
        case _:
            return numbers.astype(kind).tobytes()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("float32", False),
        ("float16", False),
        ("bfloat16", False),
        ("int8", False),
        ("4 bits", True),
        ("sparse", True),
    ],
)
def test_dense_weights_are_not_worth_it(kind: str, expected: bool) -> None:
    folder = Folder({"a": floats(kind)})
    assert compresses(folder.entries("a"), folder, 3) is expected


class _Counting(Folder):
    """Counts the bytes that are read."""

    count = 0

    def open(self, path: str) -> BinaryIO:
        outer = self

        class Stream(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                data = super().read(size)
                outer.count += len(data)
                return data

        return Stream(self.files[path])


def test_only_samples_are_read_to_decide() -> None:
    folder = _Counting({"a": NOISE * 25})
    assert not compresses(folder.entries("a"), folder, 3)
    assert 0 < folder.count <= 33 * 64 * 1024
