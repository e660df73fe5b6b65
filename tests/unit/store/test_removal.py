"""What is freed is what the disk gains, told before or after."""

from pathlib import Path

import pytest

from shipmark.store.removal import Removal, size_on_disk

SIZE = 1 << 16


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("one", "folder/two", "folder/below/three", "elsewhere"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * SIZE)
    (tmp_path / "linked").hardlink_to(tmp_path / "elsewhere")
    (tmp_path / "symbolic").symlink_to("folder")
    (tmp_path / "folder" / "twin").hardlink_to(tmp_path / "folder" / "two")
    return tmp_path


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_file_with_another_name_frees_nothing_until_both_are_gone(
    place: Path, *, dry_run: bool
) -> None:
    removal = Removal(trash=place / "tmp", dry_run=dry_run)
    removal.take("file", place / "linked")
    assert removal.freed_bytes == 0
    removal.take("file", place / "elsewhere")
    assert removal.freed_bytes == SIZE
    assert [each.size_bytes for each in removal.removed] == [SIZE, SIZE]
    assert (place / "elsewhere").exists() == dry_run


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_folder_counts_each_file_once(place: Path, *, dry_run: bool) -> None:
    occupied = size_on_disk(place / "folder")
    removal = Removal(trash=place / "tmp", dry_run=dry_run)
    removal.take("folder", place / "folder")
    assert 2 * SIZE <= removal.freed_bytes == occupied - SIZE
    assert (place / "folder").exists() == dry_run
    assert not dry_run or not (place / "tmp").exists()
    assert dry_run or list((place / "tmp").iterdir()) == []


def test_a_link_is_not_followed(place: Path) -> None:
    Removal(trash=place / "tmp", dry_run=False).take("link", place / "symbolic")
    assert (place / "folder" / "two").exists()
    assert not (place / "symbolic").is_symlink()


def test_what_is_not_there_is_not_counted(place: Path) -> None:
    removal = Removal(trash=place / "tmp", dry_run=False)
    removal.take("file", place / "nothing")
    assert removal.removed == []
    assert size_on_disk(place / "nothing") == 0
