"""A data set is read record by record, whatever its size, and told apart from what is none."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.errors import PackageError
from shipmark.verify import dataset
from shipmark_serve.contract.golden import Golden

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def read(data: bytes) -> list[Golden]:
    return list(dataset.records(io.BytesIO(data), "data.json"))


@given(
    st.lists(st.fixed_dictionaries({"input": values, "output": values}), min_size=1, max_size=5),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
    st.integers(1, 50),
)
def test_what_is_written_is_read(
    items: list[dict[str, Any]], indent: int | None, ascii_only: bool, chunk_bytes: int
) -> None:
    data = json.dumps(items, indent=indent, ensure_ascii=ascii_only, allow_nan=False)
    whole = data.encode("utf-8", "surrogatepass")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            del size
            return super().read(chunk_bytes)

    found = list(dataset.records(Slow(whole), "data.json"))

    assert [{"input": each.input, "output": each.output} for each in found] == items


def test_one_record_alone() -> None:
    assert [each.input for each in read(b' {"input": 1, "output": 2} ')] == [1]


def test_byte_order_mark() -> None:
    assert len(read(b'\xef\xbb\xbf[{"input": 1, "output": 2}]')) == 1


def test_no_more_than_one_record_is_kept() -> None:
    class Counted(io.RawIOBase):
        """A list of a million records, made as it is read."""

        def __init__(self) -> None:
            super().__init__()
            self.position = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1, /) -> bytes:
            start = b"[" if self.position == 0 else b""
            self.position += size
            return start + b'{"input": 1, "output": 2},' * (size // 26)

    stream = Counted()
    records = dataset.records(stream, "data.json")  # type: ignore[arg-type]  # only read is used
    for _ in range(10_000):
        next(records)

    assert stream.position < 10_000 * 26 + 2 * dataset.CHUNK_BYTES


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"", "data.json", "holds no record"),
        (b"  [ ] ", "data.json", "holds no record"),
        (b"hello", "data.json record 1", "is not JSON"),
        (b"\xff\xfe", "data.json", "is not UTF-8"),
        (b"[1]", "data.json record 1", "is not right: Expected `object`, got `int`"),
        (b'[{"input": 1}]', "data.json record 1", "missing required field `output`"),
        (b'[{"input": 1, "output": 2, "tag": 3}]', "data.json record 1", "unknown field `tag`"),
        (b'[{"input": 1, "output": NaN}]', "data.json record 1", "NaN is no number"),
        (b'[{"input": 1, "output": -Infinity}]', "data.json record 1", "-Infinity is no number"),
        (b'[{"input": 1, "output": 2}', "data.json record 1", "a comma or the end"),
        (b'[{"input": 1, "output": 2} {', "data.json record 1", "a comma or the end"),
        (b'[{"input": 1, "output": 2}, {"inp', "data.json record 2", "is not JSON: Unterminated"),
        (b'[{"input": 1, "output": 2},]', "data.json record 2", "is not JSON"),
        (b'{"input": 1, "output": 2} []', "data.json record 1", "something follows its end"),
        (b"[" * 100_000, "data.json record 1", "is not JSON: maximum recursion depth"),
        (b"[" + b"9" * 5000 + b"]", "data.json record 1", "is not JSON: Exceeds the limit"),
    ],
)
def test_what_is_no_data_set(data: bytes, place: str, words: str) -> None:
    with pytest.raises(PackageError) as caught:
        read(data)

    (complaint,) = caught.value.complaints
    assert complaint.place == place
    assert words in complaint.message
    assert complaint.mend


def test_a_record_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MAX_RECORD_CHARACTERS", 100_000)
    with pytest.raises(PackageError, match="longer than 100000 characters"):
        read(b'[{"input": "' + b"a" * 1_000_000)
