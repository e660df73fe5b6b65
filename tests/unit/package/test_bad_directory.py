"""What a directory must not hold is refused, each with its own sentence; links inside are read."""

import io
import os
import socket
import stat
from pathlib import Path

import pytest

from shipmark.errors import PackageError
from shipmark.package import directory, read
from tests.unit.package.making import LEAST, PREDICT, complaints_of, the_only, write_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "demo", LEAST)


def test_link_out(root: Path) -> None:
    (root / "secret").symlink_to("/etc/passwd")
    found = the_only(complaints_of(root))
    assert str(found) == "secret: is a link out of the package (to /etc/passwd)"
    assert "copy the file" in found.mend


def test_link_out_through_a_folder(root: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "elsewhere", {"x": "x"})
    (root / "inner").symlink_to("../elsewhere")
    (root / "file").symlink_to("inner/x")
    assert ["link out of the package" in each.message for each in complaints_of(root)] == [True] * 2


def test_links_that_lead_nowhere_or_to_a_folder(root: Path) -> None:
    write_tree(root / "data", {"x": "x"})
    (root / "loop").symlink_to("loop")
    (root / "gone").symlink_to("nothing")
    (root / "folder").symlink_to("data")
    found = {each.place: each.message for each in complaints_of(root)}
    assert found == {
        "folder": "is a link to a folder",
        "gone": "is a link that leads nowhere",
        "loop": "is a link that leads nowhere",
    }


def test_link_inside_is_read_as_its_file(root: Path) -> None:
    (root / "alias.py").symlink_to("model.py")
    package = read(root)
    alias, model = package.code
    assert alias.sha256 == model.sha256
    with package.source.open("alias.py") as stream:
        assert stream.read() == PREDICT.encode()


def test_ignored_links_do_not_matter(root: Path) -> None:
    (root / ".venv").symlink_to("/usr")
    (root / ".env").symlink_to("/etc/passwd")
    assert [each.path for each in read(root).code] == ["model.py"]


def test_pipes_sockets_and_devices(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        found = {each.place: each.message for each in complaints_of(root)}
    assert found == {"pipe": "is a named pipe", "socket": "is a socket"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device files")
def test_device(root: Path) -> None:
    try:
        os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this host lets nobody make device files")
    assert the_only(complaints_of(root)).message == "is a device file"


def test_unreadable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(root, {"closed/x": "x", "secret": "x"})
    real_open, real_scandir = os.open, os.scandir

    def denied_open(path: Path, flags: int) -> int:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags)

    def denied_scandir(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real_scandir(path)

    monkeypatch.setattr(os, "open", denied_open)
    found = the_only(complaints_of(root))
    assert str(found) == "secret: cannot be read (permission denied)"
    monkeypatch.setattr(os, "scandir", denied_scandir)
    found = the_only(complaints_of(root))
    assert str(found) == "closed/: is a folder that cannot be read (permission denied)"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"back\\slash", "backslash"),
        (b"new\nline", "control character"),
        (b"latin-\xfc", "not UTF-8"),
    ],
)
def test_bad_name(root: Path, name: bytes, words: str) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/" + name))).write_bytes(b"")
    found = the_only(complaints_of(root))
    assert words in found.message
    assert ".shipmarkignore" in found.mend
    assert str(found).isprintable()


def test_deep_folders(root: Path) -> None:
    place = root
    for _ in range(400):
        place /= "aaa"
    place.mkdir(parents=True)
    (place / "x").write_text("x")
    assert "too long" in the_only(complaints_of(root)).message


def test_names_that_collide_in_case(root: Path) -> None:
    (root / "Model.py").write_text(PREDICT)
    assert "upper and lower case only" in the_only(complaints_of(root)).message


def test_names_that_are_one_after_normalisation(root: Path) -> None:
    write_tree(root, {"caf\u00e9.txt": "same", "cafe\u0301.txt": "same"})
    assert the_only(complaints_of(root)).message == "is there twice"


def test_disk_that_fails_while_a_file_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            del size
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(directory, "open_regular", lambda *_: Failing())
    assert the_only(complaints_of(root)).message == "cannot be read to its end (input/output error)"


def test_too_many_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MAX_FILES", 3)
    write_tree(root, {f"{n}.txt": "" for n in range(3)})
    assert the_only(complaints_of(root)).message == "has more than 3 files"


def test_pointer_of_git_lfs(root: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
    write_tree(root, {"weights/w.bin": pointer})
    found = the_only(complaints_of(root))
    assert (found.place, found.mend) == ("weights/w.bin", "run `git lfs pull` and try again")


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    assert str(the_only(complaints_of(tmp_path / "demo"))) == ".: holds no files"


def test_file_that_changes_while_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(root, {"data": "0123456789"})
    scan = directory.scan_directory

    def scan_then_change(*arguments: object) -> directory.DirectorySource:
        source = scan(*arguments)  # type: ignore[arg-type]  # passed on as they came
        (root / "data").write_text("0")
        return source

    monkeypatch.setattr("shipmark.package.opening.scan_directory", scan_then_change)
    assert the_only(complaints_of(root)).message == "has 1 bytes where 10 were announced"


def test_file_that_becomes_a_link_after_it_was_found(root: Path) -> None:
    package = read(root)
    (root / "model.py").unlink()
    (root / "model.py").symlink_to("/etc/passwd")
    with pytest.raises(PackageError, match=r"model\.py: cannot be read"):
        package.source.open("model.py")


def test_file_that_becomes_a_pipe_does_not_hang(root: Path) -> None:
    package = read(root)
    (root / "model.py").unlink()
    os.mkfifo(root / "model.py")
    with pytest.raises(PackageError, match=r"model\.py: is no regular file any more"):
        package.source.open("model.py")


def test_bad_ignore_file(root: Path) -> None:
    (root / ".shipmarkignore").write_text("ok\n!\n" + "*a" * 20 + "\n")
    first, second = complaints_of(root)
    assert str(first) == ".shipmarkignore:2: '!' is not a pattern of gitignore"
    assert str(second) == ".shipmarkignore:3: has more than 6 wildcards"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent", None, "cannot be opened (no such file or directory)"),
        ("model.pkl", b"x", "is not a model file that can be served by itself"),
        ("model.pt", b"x", "is not a model file that can be served by itself"),
        ("model.py", b"x", "is one file of a package"),
        ("notes.txt", b"x", "is not a zip"),
    ],
)
def test_path_that_is_no_package(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    found = the_only(complaints_of(tmp_path / name))
    assert words in found.message
    assert found.mend


def test_pipe_as_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "for a zip from a pipe, give -" in the_only(complaints_of(tmp_path / "pipe")).mend
