"""A directory, a clone of it and a zip of it, however packed, have the same digests."""

import io
import os
import shutil
import stat
import subprocess
import unicodedata
import zipfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipmark.errors import PackageError
from shipmark.package import Package, read
from shipmark.package.paths import UnsafePathError, clean, collisions
from tests.unit.package.making import (
    LEAST,
    PREDICT,
    entry,
    read_zip,
    write_tree,
    zip_of,
    zip_of_entries,
)

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).map(
    lambda text: unicodedata.normalize("NFC", text)
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def digests(package: Package) -> tuple[str, str | None]:
    package.source.close()
    return package.version.code_digest, package.version.weights_digest


def safe(paths: dict[str, bytes]) -> bool:
    try:
        cleaned = [clean(path) for path in paths]
    except UnsafePathError:
        return False
    return cleaned == list(paths) and not list(collisions([*paths, "model.py"]))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    files=st.dictionaries(
        PATHS.map(lambda path: f"weights/{path}") | PATHS, st.binary(max_size=40), max_size=6
    ).filter(safe),
    top=st.none() | st.sampled_from(["demo", "a b", "\u00e9"]),
    compression=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
    shuffle=st.randoms(),
)
def test_directory_and_zip_agree(
    tmp_path: Path,
    files: dict[str, bytes],
    top: str | None,
    compression: int,
    shuffle: Random,
) -> None:
    files.pop("shipmark.toml", None)
    files.pop("requirements.txt", None)
    files.pop("pylock.toml", None)
    root = tmp_path / "demo"
    shutil.rmtree(root, ignore_errors=True)
    content: dict[str, str | bytes] = {**files, "model.py": PREDICT}
    write_tree(root, content)
    order = list(content)
    shuffle.shuffle(order)
    prefix = "" if top is None else f"{top}/"
    data = zip_of({f"{prefix}{path}": content[path] for path in order}, compression)
    assert digests(read(root)) == digests(read_zip(data))


@given(name=st.text(max_size=30))
@settings(max_examples=300)
def test_no_name_of_a_zip_leads_out(name: str) -> None:
    try:
        path = clean(name)
    except UnsafePathError:
        return
    assert not Path(path).is_absolute()
    assert os.path.normpath(path) == path
    assert ".." not in path.split("/")
    assert clean(path) == path


@given(names=st.lists(st.text(max_size=12), min_size=1, max_size=4, unique=True))
@settings(max_examples=100, deadline=None)
def test_any_names_in_a_zip_are_read_safely_or_refused(names: list[str]) -> None:
    entries = []
    for name in names:
        info = entry("x")
        info.filename = name
        entries.append((info, b""))
    try:
        data = zip_of_entries([*entries, (entry("model.py"), PREDICT)])
    except UnicodeEncodeError:
        return
    try:
        package = read_zip(data)
    except PackageError:
        return
    for each in (*package.code, *package.weights):
        assert clean(each.path) == each.path
    package.source.close()


def test_git_clone_and_zip_agree(tmp_path: Path) -> None:
    files = {**LEAST, "weights/w.bin": b"w", "caf\u00e9.txt": "x", "run.sh": "#!/bin/sh\n"}
    root = write_tree(tmp_path / "demo", files)
    (root / "run.sh").chmod(0o755)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(root)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    subprocess.run(["git", "clone", "-q", str(root), str(tmp_path / "clone")], check=True)
    archive = subprocess.run(
        [*git, "archive", "--format=zip", "--prefix=demo-main/", "HEAD"],
        check=True,
        capture_output=True,
    ).stdout
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"x")
    (root / "shipmark.lock").write_text("a lock")
    assert digests(read(root)) == digests(read(tmp_path / "clone")) == digests(read_zip(archive))


def test_modes_count_only_as_executable_or_not(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "demo", {**LEAST, "run.sh": "#!/bin/sh"})
    (root / "run.sh").chmod(0o700)
    before = digests(read(root))
    (root / "run.sh").chmod(0o755)
    (root / "model.py").chmod(0o600)
    assert digests(read(root)) == before
    modes = zip_of_entries(
        [
            (entry("model.py", stat.S_IFREG | 0o640), PREDICT),
            (entry("run.sh", stat.S_IFREG | 0o711), "#!/bin/sh"),
        ]
    )
    assert digests(read_zip(modes)) == before
    (root / "run.sh").chmod(0o644)
    assert digests(read(root)) != before


def test_what_people_pack_by_accident_is_left_out(tmp_path: Path) -> None:
    noise = {
        "demo/.DS_Store": b"x",
        "__MACOSX/demo/._model.py": b"x",
        ".DS_Store": b"x",
        "demo/__pycache__/model.pyc": b"x",
        "demo/.git/config": b"x",
        "demo/env/pyvenv.cfg": b"x",
        "demo/env/bin/python": b"x",
        "demo/shipmark.lock": b"x",
        "demo/other.shipmark.lock": b"x",
        "demo/model.py~": b"x",
        "demo/.env": b"TOKEN=x",
    }
    plain = read(write_tree(tmp_path / "demo", LEAST))
    packed = read_zip(zip_of({**noise, "demo/model.py": PREDICT}))
    assert [each.path for each in packed.code] == ["model.py"]
    assert digests(packed) == digests(plain)


def test_ignore_file_counts_alike_in_directory_and_zip(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        **LEAST,
        ".shipmarkignore": "# notes\n*.ipynb\n/data/*\n!/data/keep.csv\n!*.pyc\n!shipmark.lock\n",
        "a.ipynb": "x",
        "deep/b.ipynb": "x",
        "data/drop.csv": "x",
        "data/keep.csv": "x",
        "lib.pyc": "x",
        "shipmark.lock": "x",
    }
    package = read(write_tree(tmp_path / "demo", files))
    assert [each.path for each in package.code] == ["data/keep.csv", "lib.pyc", "model.py"]
    assert digests(package) == digests(read_zip(zip_of({f"top/{k}": v for k, v in files.items()})))


def test_top_folder_of_weights_is_no_wrapping() -> None:
    package = read_zip(zip_of({"weights/a.bin": b"", "model.py": PREDICT}))
    assert [each.path for each in package.weights] == ["weights/a.bin"]
    package.source.close()


@pytest.mark.parametrize("flagged", [True, False])
def test_unicode_names_survive(flagged: bool) -> None:
    name = "weights/gewichte-\u00fc-\u91cd\u307f.bin"
    data = zip_of({"model.py": PREDICT, name: b"w"})
    if not flagged:  # as packers do that write UTF-8 and do not say so
        changed = bytearray(data)
        for signature, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
            at = changed.rfind(signature)
            changed[at + offset] &= ~0x08
        data = bytes(changed)
    package = read_zip(data)
    assert [each.path for each in package.weights] == [name]
    package.source.close()


def test_decomposed_names_are_composed(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9.txt", "cafe\u0301.txt"
    one = read(write_tree(tmp_path / "one", {**LEAST, composed: "x"}))
    other = read(write_tree(tmp_path / "other", {**LEAST, decomposed: "x"}))
    with other.source.open(composed) as stream:
        assert stream.read() == b"x"
    assert digests(one) == digests(other) == digests(read_zip(zip_of({**LEAST, decomposed: "x"})))


def test_version_is_named_or_twelve_digits(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "demo", {**LEAST, "weights/w": b"1"})
    package = read(root)
    code, weights = package.version.code_digest, package.version.weights_digest
    assert weights is not None
    assert str(package.version) == f"{code[7:19]}-w{weights[7:19]}"
    (root / "shipmark.toml").write_text(
        '[model]\nversion = "1.0.3"\n[weights]\nversion = "2026.11"\n'
    )
    assert str(read(root).version) == "1.0.3-w2026.11"


def test_halves_change_apart(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "demo", {**LEAST, "weights/w": b"1"})
    before = read(root).version
    (root / "weights" / "w").write_bytes(b"2")
    after = read(root).version
    assert before.code_digest == after.code_digest
    assert before.weights_digest != after.weights_digest


def test_literal_digest(tmp_path: Path) -> None:
    package = read(write_tree(tmp_path / "demo", {"model.py": PREDICT, "weights/w": b"1"}))
    assert package.version.code_digest == (
        "sha256:1f454a2860cc37fc1231f1013616114e7a152b08fcfa3688987d4160a3e10eeb"
    )


def test_spooled_input_is_streamed_again_and_again() -> None:
    package = read(None, stdin=io.BytesIO(zip_of({**LEAST, "w": b"abc"})), name="demo")
    for _ in range(2):
        with package.source.open("w") as stream:
            assert stream.read() == b"abc"
    with pytest.raises(PackageError, match="nowhere: is not in the zip"):
        package.source.open("nowhere")
    package.source.close()
    assert package.lock_path is None
