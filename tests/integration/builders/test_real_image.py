"""A real image: its Python starts without a cache of libraries, and its bytecode is taken up."""

import importlib.util
import json
import marshal
import subprocess
from pathlib import Path

import msgspec
import pytest

from shipmark import digest as digests
from shipmark.builders import assemble
from shipmark.builders.build_python import BuildPython
from shipmark.builders.deb_pool import DebPool
from shipmark.builders.part import Part
from shipmark.builders.pyc import Refusal, with_bytecode
from shipmark.builders.spool import Workspace
from shipmark.errors import BuildError, PackageError
from shipmark.lock import Lock
from shipmark.oci.layer import File
from shipmark.progress import Silent
from shipmark.store import Store
from tests.integration.builders.conftest import PLATFORM, Real
from tests.unit.builders.materials import Folder

pytestmark = pytest.mark.network

SITE = "usr/local/lib/python3.11/dist-packages"
STDLIB = "usr/lib/python3.11"


def in_image(root: Path, code: str) -> str:
    """Run the image's Python on `code` as its user, with nothing of the host but the kernel."""
    done = subprocess.run(
        [
            "bwrap", "--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev",
            "--unshare-all", "--clearenv", "--setenv", "LANG", "C.UTF-8", "--uid", "65532",
            "--gid", "65532", "--chdir", "/app", "/usr/bin/python3.11", "-P", "-s", "-c", code,
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- what is in it -----------------------------------------------------------------------


@pytest.mark.sandbox
def test_its_python_imports_what_was_locked(root: Path) -> None:
    code = """
import json, pwd, ssl, sys, zoneinfo, numpy, onnxruntime, shipmark_serve, lzma, bz2, sqlite3, os
print(json.dumps({
    "path": sys.path, "one": float(numpy.ones(3).sum()), "cached": numpy.__cached__,
    "providers": onnxruntime.get_available_providers(), "user": pwd.getpwuid(os.getuid()).pw_name,
    "authorities": len(ssl.create_default_context().get_ca_certs()),
    "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")), "encoding": sys.getfilesystemencoding(),
    "code": numpy.ones.__globals__["__cached__"],
}))
"""
    found = json.loads(in_image(root, code))
    assert f"/{SITE}" in found["path"]
    assert found["one"] == 3.0
    assert found["cached"] == f"/{SITE}/numpy/__pycache__/__init__.cpython-311.pyc"
    assert "CPUExecutionProvider" in found["providers"]
    assert found["user"] == "nonroot"
    assert found["authorities"] > 100
    assert (found["zone"], found["encoding"]) == ("Europe/Berlin", "utf-8")


@pytest.mark.sandbox
def test_its_bytecode_is_taken_up(root: Path) -> None:
    """Were it not, Python would compile each source; `-v` tells which it did."""
    said = subprocess.run(
        [
            "bwrap", "--ro-bind", str(root), "/", "--dev", "/dev", "--unshare-all", "--clearenv",
            "/usr/bin/python3.11", "-P", "-s", "-v", "-c", "import numpy, json, http.server",
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert "# code object from '/usr/" in said.stderr
    from_source = [line for line in said.stderr.splitlines() if "# code object from /" in line]
    # Debian's is a link into /etc, of three lines.
    assert all(line.endswith("/sitecustomize.py") for line in from_source)


def test_there_is_no_shell_and_no_package_manager(root: Path) -> None:
    for name in ("sh", "bash", "dash", "dpkg", "apt", "perl"):
        assert not (root / "usr/bin" / name).exists()


def test_it_is_small(real: Real) -> None:
    image = real.built.images[PLATFORM]
    assert image.size < 100_000_000
    assert {layer.title.split()[0] for layer in image.layers} >= {"base", "numpy", "onnxruntime"}


def test_scanners_see_debian(real: Real, root: Path) -> None:
    status = root / "var/lib/dpkg/status.d"
    names = {deb.name for deb in real.lock.platforms[PLATFORM].debs}
    assert {path.name for path in status.iterdir() if path.suffix != ".md5sums"} >= names
    assert "ID=debian" in (root / "etc/os-release").resolve(strict=False).read_text()


def test_another_store_and_number_of_threads_give_the_same_digest(
    real: Real, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    lock = real.lock
    platform = lock.platforms[PLATFORM]
    debs = (*platform.debs, *lock.build_python["amd64"])
    wheels = (*platform.wheels, lock.server)
    for sha256 in [deb.sha256 for deb in debs] + [wheel.sha256 for wheel in wheels]:
        store.put(real.store.read(digests.from_hex(sha256)))
    built = assemble(
        lock, real.package.source, store=store, platforms=[PLATFORM], progress=Silent(), jobs=1
    )
    assert built.index == real.built.index


# -- bytecode ----------------------------------------------------------------------------


def test_bytecode_is_by_hash_and_never_checked(root: Path) -> None:
    found = sorted((root / STDLIB).rglob("*.pyc")) + sorted((root / SITE).rglob("*.pyc"))
    assert len(found) > 500
    for path in found:
        data = path.read_bytes()
        source = path.parent.parent / f"{path.name.split('.')[0]}.py"
        assert data[4:8] == b"\x01\0\0\0"
        assert data[8:16] == importlib.util.source_hash(source.read_bytes())


def compiled(real: Real, lock: Lock, tmp_path: Path, sources: dict[str, bytes]) -> dict[str, bytes]:
    refused: list[Refusal] = []
    with (
        Workspace(tmp_path) as workspace,
        DebPool(real.store, workspace, 1) as pool,
    ):
        python = BuildPython(lock, real.store, pool)
        files = tuple(File.of_bytes(path, data) for path, data in sources.items())
        parts = [Part(name="x", entries=files)]
        [made] = with_bytecode(parts, python, workspace, refused.append)
        assert {refusal.path for refusal in refused} <= {f"/{path}" for path in sources}
        return {
            entry.path: entry.read()
            for entry in made.entries
            if isinstance(entry, File) and entry.path.endswith(".pyc")
        }


def test_a_file_alone_compiles_to_the_same_bytes(real: Real, root: Path, tmp_path: Path) -> None:
    """So neither order nor company matters: each of these was one of hundreds in its layer."""
    for number, path in enumerate([f"{STDLIB}/typing.py", f"{SITE}/numpy/_core/numeric.py"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        [(pyc, data)] = compiled(
            real, real.lock, folder, {path: (root / path).read_bytes()}
        ).items()
        assert (root / pyc).read_bytes() == data


def test_a_path_in_the_image_is_what_tracebacks_show(real: Real, tmp_path: Path) -> None:
    found = compiled(real, real.lock, tmp_path, {"app/a.py": b"x = 1\n"})
    assert list(found) == ["app/__pycache__/a.cpython-311.pyc"]
    assert b"/app/a.py" in found["app/__pycache__/a.cpython-311.pyc"]
    assert marshal.dumps("/app/a.py")[1:] in found["app/__pycache__/a.cpython-311.pyc"]


def test_nothing_is_executed(real: Real, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    source = f"open({str(mark)!r}, 'w')\nimport os\nos.mkdir({str(mark)!r})\n".encode()
    (tmp_path / "work").mkdir()
    assert len(compiled(real, real.lock, tmp_path / "work", {"app/evil.py": source})) == 1
    assert not mark.exists()


@pytest.mark.parametrize(
    "source",
    [
        b"def f(:\n",
        b"\0",
        b"# coding: nonsense\n",
        b"\xff\xfe",
        b"(" * 5000,
        b"x = " + b"-" * 100_000 + b"1\n",
        b"a" + b".a" * 200_000 + b"\n",
    ],
)
def test_what_does_not_compile_does_without(real: Real, tmp_path: Path, source: bytes) -> None:
    """The others of its layer are compiled all the same."""
    sources = {"app/bad.py": source, "app/good.py": b"x = 1\n"}
    assert list(compiled(real, real.lock, tmp_path, sources)) == [
        "app/__pycache__/good.cpython-311.pyc"
    ]


def test_another_python_than_locked_is_refused(real: Real, tmp_path: Path) -> None:
    lock = msgspec.structs.replace(real.lock, python_exact="3.11.99")
    with pytest.raises(BuildError, match=r"start Python 3\.11\.99 .* it is 3\.11\."):
        compiled(real, lock, tmp_path, {"app/a.py": b""})


def test_a_host_the_lock_has_no_python_for_is_refused(real: Real, tmp_path: Path) -> None:
    lock = msgspec.structs.replace(real.lock, build_python={"riscv64": ()})
    with pytest.raises(BuildError, match="riscv64"):
        compiled(real, lock, tmp_path, {"app/a.py": b""})


def test_macos_is_refused_with_the_reason(
    real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(BuildError, match="Debian's Python runs on Linux, not darwin"):
        compiled(real, real.lock, tmp_path, {"app/a.py": b""})


class _Noting(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_code_that_does_not_compile_is_told_and_an_entry_refused(real: Real) -> None:
    source = Folder({"model.py": b"x = 1\n", "template.py": b"class {{ name }}:\n    pass\n"})
    lock = msgspec.structs.replace(real.lock, code=source.entries("model.py", "template.py"))
    watcher = _Noting()
    assemble(lock, source, store=real.store, platforms=[PLATFORM], progress=watcher)
    [note] = watcher.notes
    assert note.startswith("/app/template.py, line 1, does not compile")
    source.files["model.py"] = b"def predict(text)\n"
    lock = msgspec.structs.replace(real.lock, code=source.entries("model.py"))
    with pytest.raises(PackageError, match=r"model\.py:1: expected ':'"):
        assemble(lock, source, store=real.store, platforms=[PLATFORM], progress=Silent())
