"""The log keeps the newest lines in bounded space, and what it shows cannot steer a terminal."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shipmark.targets.process import log


def test_it_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = log.Writer(path, file_bytes=1000)
    for number in range(1000):
        writer.write(f"line {number}\n".encode())
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
    lines = log.tail(path)
    assert lines[-1] == "line 999"
    assert lines == [f"line {number}" for number in range(1000 - len(lines), 1000)]
    assert log.tail(path, 3) == ["line 997", "line 998", "line 999"]


def test_following_passes_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = log.Writer(path, file_bytes=100)
    writer.write(b"before\n")
    rounds = iter([True, True, True, False])
    written = iter([b"a" * 60 + b"\n", b"b" * 60 + b"\n", b"half", b" line"])

    def alive() -> bool:
        writer.write(next(written))
        return next(rounds)

    assert list(log.follow(path, 10, alive)) == ["before", "a" * 60, "b" * 60, "half line"]


@given(data=st.binary(max_size=300))
def test_only_printable_text_is_shown(tmp_path_factory: object, data: bytes) -> None:
    del tmp_path_factory
    text = log.printable(data)
    assert all(character == "\t" or character.isprintable() or ord(character) > 159
               for character in text)  # fmt: skip


def test_no_log_yet_is_no_lines(tmp_path: Path) -> None:
    assert log.tail(tmp_path / "log") == []
