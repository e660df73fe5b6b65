"""The scikit-learn version of joblib and skops files is read without unpickling anything."""

import io
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy
import pytest
import sklearn
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from shipmark.errors import PackageError
from shipmark.package import decompressed, read
from shipmark.package.decompressed import DamagedError, chunks_of
from tests.unit.package.making import complaints, complaints_of, read_zip, the_only, zip_of

PIN = f"scikit-learn=={sklearn.__version__}"


@pytest.fixture(scope="module")
def model() -> Any:
    rows, labels = load_iris(return_X_y=True)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)


@pytest.mark.parametrize(
    "compress", [0, 1, 3, 9, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str
)
def test_joblib(tmp_path: Path, model: Any, compress: Any) -> None:
    joblib.dump(model, tmp_path / "m.joblib", compress=compress)
    package = read(tmp_path / "m.joblib")
    assert package.requirements == ("joblib", PIN)
    assert (package.model.runtime, package.model.weights) == ("sklearn", "m.joblib")
    assert package.model.schema is None


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(tmp_path: Path, model: Any, protocol: int) -> None:
    (tmp_path / "m.joblib").write_bytes(pickle.dumps(model, protocol))
    assert PIN in read(tmp_path / "m.joblib").requirements


def test_large_model_in_pieces(tmp_path: Path) -> None:
    rows = numpy.random.default_rng(0).normal(size=(400, 8))
    forest = RandomForestClassifier(40, random_state=0).fit(rows, rows[:, 0] > 0)
    joblib.dump(forest, tmp_path / "m.joblib")
    assert PIN in read(tmp_path / "m.joblib").requirements


def test_key_across_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Any) -> None:
    joblib.dump(model, tmp_path / "m.joblib")
    for size in (64, 97, 130):
        monkeypatch.setattr(decompressed, "CHUNK_BYTES", size)
        assert PIN in read(tmp_path / "m.joblib").requirements


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_skops(tmp_path: Path, model: Any, compression: int) -> None:
    skops.io.dump(model, tmp_path / "m.skops", compression=compression)
    assert read(tmp_path / "m.skops").requirements == ("joblib", PIN, "skops")
    packed = read_zip(zip_of({"m.skops": (tmp_path / "m.skops").read_bytes()}))
    assert packed.requirements == ("joblib", PIN, "skops")
    packed.source.close()


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(trap), "w"), {"_sklearn_version": "1.2.3"}

    (tmp_path / "m.joblib").write_bytes(pickle.dumps(Trap()))
    assert "scikit-learn==1.2.3" in read(tmp_path / "m.joblib").requirements
    assert not trap.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello", "is no file of joblib"),
        (pickle.dumps({"a": 1}), "holds no estimator of scikit-learn"),
        (zlib.compress(pickle.dumps([1])), "holds no estimator of scikit-learn"),
        (pickle.dumps({"a": 1})[:-1], "is cut off"),
        (pickle.dumps({"_sklearn_version": "not a version"}), "holds no estimator"),
        (pickle.dumps({"_sklearn_version": "1" * 100}), "holds no estimator"),
        (pickle.dumps("_sklearn_version"), "holds no estimator"),
        (b"\x04\x22\x4d\x18rest", "is compressed by lz4"),
        (zlib.compress(b"\x80" + b"a" * 100_000)[:-20], "is cut off"),
        (b"\x78\x9c" + b"\xff" * 50, "is damaged"),
        (b"BZh9" + b"\xff" * 50, "is damaged"),
        (b"\xfd7zXZ\x00" + b"\xff" * 50, "is damaged"),
        (b"\x5d\x00\x00" + b"\xff" * 50, "is damaged"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
    ],
)
def test_broken_joblib(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "m.joblib").write_bytes(data)
    found = the_only(complaints_of(tmp_path / "m.joblib"))
    assert words in found.message
    assert found.mend


def skops_of(schema: str, name: str = "schema.json") -> bytes:
    return zip_of({name: schema})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no zip", "is no whole file of skops"),
        (skops_of("{}", "other.json"), "is no whole file of skops"),
        (skops_of("{"), "that is not JSON"),
        (skops_of("[" * 100_000), "that is not JSON"),
        (skops_of('{"content": [1, {"_sklearn_version": 3}]}'), "holds no estimator"),
    ],
)
def test_broken_skops(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "m.skops").write_bytes(data)
    found = the_only(complaints_of(tmp_path / "m.skops"))
    assert words in found.message


def test_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompressed, "RATIO_FREE_BYTES", 1 << 20)
    bomb = zlib.compress(bytes(50_000_000), 9)
    sizes: list[int] = []
    with pytest.raises(DamagedError, match="more than 250 times its size"):
        sizes.extend(len(chunk) for chunk in chunks_of(io.BytesIO(bomb)))
    assert max(sizes) <= 1 << 20
    assert sum(sizes) < 20_000_000


@given(st.binary(max_size=5000))
@settings(max_examples=50, deadline=None)
def test_plain_bytes_come_as_they_are(data: bytes) -> None:
    assert b"".join(chunks_of(io.BytesIO(b"\x80" + data))) == b"\x80" + data
    assert b"".join(chunks_of(io.BytesIO(zlib.compress(data)))) == data


@pytest.mark.parametrize("requirement", ["scikit-learn==0.24.2", "scikit_learn<1"])
def test_other_version_is_refused(tmp_path: Path, model: Any, requirement: str) -> None:
    stream = io.BytesIO()
    joblib.dump(model, stream)
    found = the_only(
        complaints(tmp_path, {"m.joblib": stream.getvalue(), "requirements.txt": requirement})
    )
    assert found.place == "requirements.txt"
    assert f"was saved by scikit-learn {sklearn.__version__}" in found.message


def test_own_requirement_that_fits_is_kept_beside_the_pin(tmp_path: Path, model: Any) -> None:
    joblib.dump(model, tmp_path / "m.joblib")
    (tmp_path / "requirements.txt").write_text("scikit-learn>=1\npandas\n")
    package = read(tmp_path, name="m")
    assert package.requirements == ("joblib", "pandas", PIN, "scikit-learn>=1")


def test_refusal_names_the_package(tmp_path: Path) -> None:
    (tmp_path / "m.joblib").write_bytes(b"x")
    with pytest.raises(PackageError, match=r"m\.joblib: m\.joblib: is no file of joblib"):
        read(tmp_path / "m.joblib")
