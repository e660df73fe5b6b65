"""Which file of a package is the model, how it is called, and its golden records."""

import base64
import json
from pathlib import Path

import onnx
import pytest

from shipmark.errors import PackageError
from shipmark.package import read
from tests.unit.package.making import (
    LEAST,
    PREDICT,
    complaints,
    complaints_of_zip,
    read_files,
    read_zip,
    the_only,
    write_tree,
    zip_of,
)
from tests.unit.package.test_onnx import linear

ONNX = linear().SerializeToString()


def test_least_package(tmp_path: Path) -> None:
    package = read_files(tmp_path, LEAST)
    assert (package.name, package.model.runtime, package.model.entry) == (
        "demo",
        "python",
        "model.py",
    )
    assert (package.model.weights, package.weights, package.requirements) == (None, (), ())
    assert package.lock_path == str(tmp_path / "demo" / "shipmark.lock")
    assert [each.place for each in package.notes] == ["golden/example.json"]


def test_weights_folder(tmp_path: Path) -> None:
    package = read_files(tmp_path, {**LEAST, "weights/deep/w": b"x", "data": b"y"})
    assert package.model.weights == "weights"
    assert [each.path for each in package.weights] == ["weights/deep/w"]
    assert [each.path for each in package.code] == ["data", "model.py"]


@pytest.mark.parametrize(
    ("path", "weights"), [("m.onnx", "m.onnx"), ("weights/m.onnx", "weights/m.onnx")]
)
def test_only_model_file(tmp_path: Path, path: str, weights: str) -> None:
    package = read_files(tmp_path, {path: ONNX, "README.md": "x"})
    assert (package.model.runtime, package.model.weights) == ("onnx", weights)
    assert [each.path for each in package.weights] == [path]
    assert package.model.entry is None


def test_model_py_wins_and_the_loose_model_is_noted(tmp_path: Path) -> None:
    package = read_files(tmp_path, {**LEAST, "m.onnx": ONNX})
    assert package.model.runtime == "python"
    note = package.notes[0]
    assert (note.place, "counts as code" in note.message) == ("m.onnx", True)


def test_several_models(tmp_path: Path) -> None:
    found = the_only(complaints(tmp_path, {"a.onnx": ONNX, "b.onnx": ONNX}))
    assert found.message == "holds several models: a.onnx, b.onnx"
    assert 'path = "a.onnx"' in found.mend
    (tmp_path / "demo" / "shipmark.toml").write_text("[weights]\npath = 'b.onnx'")
    assert read(tmp_path / "demo").model.weights == "b.onnx"


@pytest.mark.parametrize(
    ("files", "message", "mend"),
    [
        ({"README.md": ""}, "holds no model: expected a model.py", "shipmark new"),
        ({"app.py": PREDICT}, "holds no model", '[model] entry = "app.py"'),
        ({"m.pkl": "x"}, "m.pkl is not one by itself", "joblib.dump"),
        ({"deep/m.safetensors": "x"}, "m.safetensors is not one", "model.py"),
        (
            {**LEAST, "shipmark.toml": "[model]\nruntime = 'onnx'"},
            "holds no .onnx file for the runtime onnx",
            "add the file",
        ),
        (
            {"m.onnx": ONNX, "shipmark.toml": "[model]\nruntime = 'onnx'\nentry = 'x.py'"},
            "has no meaning for the runtime onnx",
            "remove it",
        ),
        (
            {"m.onnx": ONNX, "shipmark.toml": "[model]\nentry = 'm.onnx'"},
            "is not a Python file",
            'path = "m.onnx"',
        ),
        (
            {"src/model.py": PREDICT, "shipmark.toml": "[model]\nentry = 'src/model.py'\n"
             "[weights]\npath = 'src'"},
            "holds the entry 'src/model.py'",
            "folder of their own",
        ),
    ],
)  # fmt: skip
def test_no_model(tmp_path: Path, files: dict[str, str | bytes], message: str, mend: str) -> None:
    found = the_only(complaints(tmp_path, files))
    assert message in found.message
    assert mend in found.mend


def test_name(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "My Model 2", LEAST)
    package = read(root)
    assert package.name == "my-model-2"
    assert package.notes[0].message == "is no valid name; the model is called my-model-2"
    assert read(root, name="given").name == "given"
    (root / "shipmark.toml").write_text('[model]\nname = "said"')
    assert read(root).name == "said"
    assert read(root, name="given").name == "given"
    with pytest.raises(PackageError, match="--name: 'No Name' is not a name"):
        read(root, name="No Name")


def test_name_of_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_tree(tmp_path / "here", LEAST))
    package = read(Path())
    assert (package.name, package.lock_path, package.origin) == ("here", "shipmark.lock", ".")


def test_nothing_to_call_it_by(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no letter or digit"):
        read(write_tree(tmp_path / "___", LEAST))


def test_standard_input_needs_a_name() -> None:
    with pytest.raises(PackageError, match="has no name to call the model by") as caught:
        read_zip(zip_of(LEAST), name=None)  # type: ignore[arg-type]  # None is what is tested
    assert "--name NAME" in caught.value.hint
    named = zip_of({**LEAST, "shipmark.toml": '[model]\nname = "said"'})
    package = read_zip(named, name=None)  # type: ignore[arg-type]  # None is what is tested
    assert (package.name, package.origin) == ("said", "standard input")
    package.source.close()


def test_zip_file(tmp_path: Path) -> None:
    (tmp_path / "digits.zip").write_bytes(zip_of({"anything/model.py": PREDICT}))
    package = read(tmp_path / "digits.zip")
    assert package.name == "digits"
    assert package.lock_path == str(tmp_path / "digits.shipmark.lock")
    package.source.close()


def test_single_file_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(ONNX)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "m.onnx").symlink_to("../blob")
    assert read(tmp_path / "cache" / "m.onnx").name == "m"


GOOD = {"input": "a", "output": "a"}


def test_golden_files(tmp_path: Path) -> None:
    files = {
        **LEAST,
        "golden/b.json": json.dumps([GOOD, {**GOOD, "name": "x", "tolerance": 0.1}]),
        "golden/a.json": json.dumps(GOOD),
        "golden/notes.txt": "no",
        "golden/deep/c.json": "no",
    }
    package = read_files(tmp_path, files)
    assert package.model.golden == ("golden/a.json", "golden/b.json")
    assert not package.notes


@pytest.mark.parametrize(
    ("source", "record", "words"),
    [
        (PREDICT, "{", "cannot read the golden records"),
        (PREDICT, "[]", "holds no record"),
        (PREDICT, '{"input": "a"}', "output"),
        (PREDICT, '{"input": "a", "output": "b", "tolerence": 1}', "tolerence"),
        (PREDICT, '{"input": "a", "output": "b", "tolerance": -1}', "tolerance"),
        (PREDICT, '{"input": 1, "output": "b"}', "is not a string"),
        (PREDICT, '{"input": "a", "output": NaN}', "golden"),
        ("def predict(x: bytes) -> bytes: ...", '{"input": "a", "output": "b"}', "base64"),
    ],
)
def test_bad_golden_file(tmp_path: Path, source: str, record: str, words: str) -> None:
    found = complaints(tmp_path, {"model.py": source, "golden/a.json": record})
    assert found[0].place.startswith("golden/a.json")
    assert words in found[0].message


def test_golden_bytes(tmp_path: Path) -> None:
    value = {"base64": base64.b64encode(b"x").decode()}
    record = json.dumps({"input": value, "output": value})
    source = "def predict(x: bytes) -> bytes: ..."
    read_files(tmp_path, {"model.py": source, "golden/a.json": record})


def test_golden_tensor_of_another_name(tmp_path: Path) -> None:
    record = json.dumps({"input": {"z": [[1, 2, 3, 4]]}, "output": {"y": [[1, 2, 3]]}})
    found = the_only(complaints(tmp_path, {"m.onnx": ONNX, "golden/a.json": record}))
    assert str(found) == "golden/a.json record 1 input: has 'z', which is no tensor of the model"


def test_complaints_of_many_parts_come_together(tmp_path: Path) -> None:
    files = {
        "model.py": "def predict(): ...",
        "requirements.txt": "-e .",
        "shipmark.toml": "[serve]\nx = 1",
        "golden/a.json": "{",
    }
    root = write_tree(tmp_path / "demo", files)
    with pytest.raises(PackageError) as caught:
        read(root)
    assert [each.place for each in caught.value.complaints] == [
        "shipmark.toml:2 [serve] x",
        "requirements.txt:1",
        "model.py:1",
        "golden/a.json",
    ]
    assert caught.value.message.startswith(f"{root}: 4 things to mend\n  shipmark.toml:2 [serve] x")


def test_complaints_are_bounded() -> None:
    names = {f"../{n}": b"" for n in range(200)}
    assert len(complaints_of_zip(zip_of(names))) == 50


def test_plain_files_of_the_model_are_whole(tmp_path: Path) -> None:
    onnx.save(linear(), tmp_path / "m.onnx")
    package = read(tmp_path / "m.onnx")
    with package.source.open("m.onnx") as stream:
        assert stream.read() == (tmp_path / "m.onnx").read_bytes()
