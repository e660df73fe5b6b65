"""A package that cannot be served is refused with a sentence of its own, and leaves nothing behind.

Every refusal comes through the real command line, from a directory or a zip, with the exit code
that its kind of error has.
"""

import dataclasses
import io
import json
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.conftest import EXAMPLES, CommandLine

PREDICT = "def predict(text: str) -> str:\n    return text\n"
IRIS = (EXAMPLES / "iris.onnx").read_bytes()
CANCER = (EXAMPLES / "breast-cancer" / "breast-cancer.joblib").read_bytes()
BAD_PACKAGE, UNRESOLVABLE, ROLLOUT = 3, 5, 12


@pytest.fixture
def user(shipmark: CommandLine, tmp_path: Path) -> Iterator[CommandLine]:
    """The user, whose store and temporary files hold nothing half-made in the end."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    line = dataclasses.replace(shipmark, environ=shipmark.environ | {"TMPDIR": str(temporary)})
    yield line
    data, state = (Path(shipmark.environ[f"XDG_{kind}_HOME"]) for kind in ("DATA", "STATE"))
    assert list(temporary.iterdir()) == []
    assert list((data / "shipmark" / "store").glob("tmp/*")) == []
    assert list((state / "shipmark").glob("deployments/*/")) == []


def refused(user: CommandLine, code: int, *args: str | Path, stdin: bytes | None = None) -> str:
    """The words of a refusal; the last of them say what to do."""
    done = user.run(*args, stdin=stdin)
    assert done.returncode == code, f"{done.args}\n{done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    assert "error: " in done.stderr
    assert "try: " in done.stderr or "-> " in done.stderr
    return done.stderr


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


BAD_DIRECTORIES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "no model": (
        {"readme.txt": "hello"},
        "holds no model: expected a model.py with predict",
    ),
    "a model of another kind": (
        {"model.h5": b"x"},
        "holds no model that can be served; model.h5 is not one by itself",
    ),
    "several models": (
        {"a.onnx": IRIS, "b.onnx": IRIS},
        "holds several models: a.onnx, b.onnx",
    ),
    "an unknown key": (
        {"model.py": PREDICT, "shipmark.toml": '[model]\nnmae = "x"\n'},
        "shipmark.toml:2 [model] nmae: is no key of this table\n  try: did you mean name?",
    ),
    "an unknown table": (
        {"model.py": PREDICT, "shipmark.toml": "[modle]\n"},
        "shipmark.toml:1 [modle]: is no known table\n  try: did you mean model?",
    ),
    "an unknown metric": (
        {
            "model.py": PREDICT,
            "data.json": "[]",
            "shipmark.toml": '[validate]\ndata = "data.json"\nmetric = "acuracy"\nthreshold = 1',
        },
        "shipmark.toml:3 [validate] metric: 'acuracy' is no metric\n  try: did you mean accuracy?",
    ),
    "what is not TOML": (
        {"model.py": PREDICT, "shipmark.toml": "[model\n"},
        "shipmark.toml:1: is not TOML: ",
    ),
    "a syntax error": (
        {"model.py": "def predict(text)\n    return text\n"},
        "model.py:1: is not Python 3.11: expected ':'",
    ),
    "no predict": (
        {"model.py": "def predcit(text):\n    return text\n"},
        "model.py: defines no function predict",
    ),
    "predict of nothing": (
        {"model.py": "def predict():\n    return ''\n"},
        "model.py:1: predict must take exactly one required positional parameter, and takes none",
    ),
    "predict of two": (
        {"model.py": "\ndef predict(a, b, c=1):\n    return ''\n"},
        "model.py:2: predict must take exactly one required positional parameter, and takes a, b",
    ),
    "missing weights": (
        {"model.py": PREDICT, "shipmark.toml": '[weights]\npath = "weights/w.bin"\n'},
        "shipmark.toml:2 [weights] path: 'weights/w.bin' is not in the package",
    ),
    "weights that are a pointer of Git LFS": (
        {"model.py": PREDICT, "weights/w": "version https://git-lfs.github.com/spec/v1\n"},
        "weights/w: is a pointer of Git LFS and not the file itself",
    ),
    "ONNX that is cut off": (
        {"model.onnx": IRIS[:500]},
        "model.onnx: is no whole ONNX file",
    ),
    "ONNX that is none": (
        {"model.onnx": "hello"},
        "model.onnx: is no whole ONNX file",
    ),
    "joblib that is cut off": (
        {"model.joblib": CANCER[: len(CANCER) // 2]},
        "model.joblib: is cut off",
    ),
    "skops that is none": (
        {"model.skops": "hello"},
        "model.skops: is no whole file of skops",
    ),
    "a golden record without output": (
        {"model.py": PREDICT, "golden/a.json": '{"input": "x"}'},
        "record 1 of the golden file golden/a.json is not right: Object missing required field",
    ),
}


@pytest.mark.parametrize("case", BAD_DIRECTORIES)
def test_bad_directory(user: CommandLine, tmp_path: Path, case: str) -> None:
    files, words = BAD_DIRECTORIES[case]
    package = write(tmp_path / "bad", files)

    said = refused(user, BAD_PACKAGE, "build", package)

    assert words in said
    assert f"{package}: " in said
    assert "Traceback" not in said
    left = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert left == set(files), "a lock was written"


def test_everything_that_is_wrong_is_told_at_once(user: CommandLine, tmp_path: Path) -> None:
    package = write(
        tmp_path / "bad",
        {
            "model.py": "def predict(): ...",
            "shipmark.toml": "[serve]\nwrokers = 1\n",
            "requirements.txt": "numpy >< 2\n",
        },
    )

    said = refused(user, BAD_PACKAGE, "check", package)

    assert "3 things to mend" in said
    for words in ("model.py:1: predict must take", "[serve] wrokers", "requirements.txt:1"):
        assert words in said


def zip_of(files: Mapping[str, str | bytes | zipfile.ZipInfo]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            if isinstance(content, zipfile.ZipInfo):
                archive.writestr(content, "/etc/passwd")
            else:
                archive.writestr(name, content)
    return buffer.getvalue()


def encrypted() -> bytes:
    data = bytearray(zip_of({"model.py": PREDICT}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    return bytes(data)


def link_out() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("weights")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


WHOLE = zip_of({"model.py": PREDICT, "weights/w": bytes(1000)})
BAD_ZIPS: dict[str, tuple[bytes, str]] = {
    "climbs out": (
        zip_of({"model.py": PREDICT, "../../root/.bashrc": "x"}),
        "zip entry '../../root/.bashrc': leaves the package by '..'",
    ),
    "absolute": (
        zip_of({"model.py": PREDICT, "/etc/cron.d/x": "x"}),
        "zip entry '/etc/cron.d/x': is an absolute path",
    ),
    "links out": (
        zip_of({"model.py": PREDICT, "weights": link_out()}),
        "zip entry 'weights': is a link out of the package (to /etc/passwd)",
    ),
    "names that differ in case": (
        zip_of({"model.py": PREDICT, "MODEL.py": PREDICT}),
        "in upper and lower case only",
    ),
    "bomb": (
        zip_of({"model.py": PREDICT, "zeros": bytes(70 << 20)}),
        "times its size; at most 200 times are read",
    ),
    "encrypted": (encrypted(), "zip entry 'model.py': is encrypted"),
    "cut off": (WHOLE[: len(WHOLE) // 2], "the zip: is cut off or corrupt"),
    "no zip": (b"hello world", "the zip: is not a zip"),
    "a tar": (bytes(257) + b"ustar" + bytes(300), "the zip: is a tar archive, not a zip"),
    "empty": (b"", "the zip: is empty (0 bytes)"),
    "without files": (zip_of({}), "holds no files"),
}


@pytest.mark.parametrize("case", BAD_ZIPS)
def test_bad_zip(user: CommandLine, tmp_path: Path, case: str) -> None:
    data, words = BAD_ZIPS[case]
    archive = tmp_path / "bad.zip"
    archive.write_bytes(data)

    said = refused(user, BAD_PACKAGE, "build", archive)

    assert words in said
    assert f"{archive}: " in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.zip", "temporary"]


@pytest.mark.parametrize("case", ["climbs out", "cut off", "empty"])
def test_bad_zip_on_standard_input(user: CommandLine, case: str) -> None:
    data, words = BAD_ZIPS[case]

    said = refused(user, BAD_PACKAGE, "build", "-", "--name", "bad", stdin=data)

    assert f"error: standard input: {words}" in said
    assert "Traceback" not in said


def test_no_path_and_no_name(user: CommandLine, tmp_path: Path) -> None:
    said = refused(user, BAD_PACKAGE, "build", tmp_path / "absent")
    assert "cannot be opened (no such file or directory)" in said

    said = refused(user, BAD_PACKAGE, "build", "-", stdin=WHOLE)
    assert "give one: --name NAME" in said


def test_refusals_made_no_image(user: CommandLine, tmp_path: Path) -> None:
    refused(user, BAD_PACKAGE, "build", write(tmp_path / "bad", {"model.py": "def"}))

    store = Path(user.environ["XDG_DATA_HOME"]) / "shipmark" / "store"
    assert not (store / "images" / "bad.json").exists()
    assert "images here: none" in refused(user, 10, "up", "bad")


@pytest.mark.network
@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("packaging >= 9999", "you require packaging>=9999"),
        ("docopt == 0.6.2", "a requirement has no wheel for Python 3.11, Debian bookworm"),
    ],
)
def test_bad_requirement(user: CommandLine, tmp_path: Path, requirement: str, words: str) -> None:
    package = write(tmp_path / "bad", {"model.py": PREDICT, "requirements.txt": requirement})

    said = refused(user, UNRESOLVABLE, "build", package)

    assert words in said
    assert "Traceback" not in said
    assert not (package / "shipmark.lock").exists()


@pytest.mark.network
@pytest.mark.sandbox
@pytest.mark.parametrize("verb", ["check", "up"])
def test_a_golden_record_that_fails_says_by_how_much(
    user: CommandLine, tmp_path: Path, verb: str
) -> None:
    third = "def predict(x: list[float]) -> list[float]:\n    return [each / 3 for each in x]\n"
    records = [
        {"input": [3, 6], "output": [1, 2]},
        {"name": "nine", "input": [9], "output": [3.3]},
    ]
    files = {"model.py": third, "golden/thirds.json": json.dumps(records)}
    package = write(tmp_path / "third", files)

    said = refused(user, ROLLOUT, verb, package)

    assert "1 of 2 golden records failed: record 2 (nine) of golden/thirds.json: " in said
    assert "relative L2 distance 0.0909, absolute 0.3, tolerance 0.001" in said
    assert "Traceback" not in said


@pytest.mark.network
@pytest.mark.sandbox
def test_weights_that_only_the_model_can_tell_from_good_ones(
    user: CommandLine, tmp_path: Path
) -> None:
    broken = bytearray(IRIS)
    broken[len(IRIS) // 2 : len(IRIS) // 2 + 40] = bytes(byte ^ 0x55 for byte in IRIS[:40])
    model = tmp_path / "broken.onnx"
    model.write_bytes(broken)

    said = refused(user, ROLLOUT, "check", model)

    assert "cannot load broken.onnx" in said
    assert "Traceback" not in said
