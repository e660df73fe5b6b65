"""The check of the disk writes where Shipmark will, says what does not go, and leaves nothing."""

from pathlib import Path

from shipmark.doctor import disk, folders


def check(root: Path) -> tuple[str, str, str]:
    finding = disk.check(store=root / "a" / "store", cache=root / "b", state=root / "c")
    return finding.status, finding.found, finding.why


def test_folders_that_are_not_there_yet_are_not_made(tmp_path: Path) -> None:
    status, found, _ = check(tmp_path)

    assert status in {"ok", "warning"}  # how much room there is, is this host's affair
    assert "GB free" in found
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("")

    status, found, why = check(tmp_path)

    assert status == "failed"
    assert f"tried to write {tmp_path / 'b'}: not a directory" in found
    assert "nothing can be downloaded" in why


def test_the_kind_of_a_file_system() -> None:
    assert folders.file_system(Path("/proc/self/status")) == "proc"
    assert folders.file_system(Path("/no/such/place")) == folders.file_system(Path("/"))
