"""The table is complete: every file is a check, every check has a reason and stands in the help."""

import re
from datetime import UTC, datetime
from pathlib import Path

from shipmark import doctor
from shipmark.cli.doctor import command
from shipmark.doctor.checks import WHY, Installation, all_checks
from shipmark.doctor.examine import examine
from shipmark.errors import LockError, ShipmarkError
from shipmark.lock.sources import Sources


def here(tmp_path: Path, sources: Sources | ShipmarkError) -> Installation:
    return Installation(
        store=tmp_path / "store",
        cache=tmp_path / "cache",
        state=tmp_path / "state",
        deployments=tmp_path / "state" / "deployments",
        sources=sources,
        now=lambda: datetime.now(UTC),
    )


def test_one_check_a_file(tmp_path: Path) -> None:
    files = [
        path.stem
        for path in Path(doctor.__file__).parent.glob("*.py")
        if re.search(r"^def check\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert sorted(files) == sorted(WHY)
    assert list(all_checks(here(tmp_path, Sources(cache=tmp_path)))) == list(WHY)


def test_the_help_names_every_check() -> None:
    words = set(re.findall(r"[a-z]+", (command.help or "").partition("named:")[2]))

    assert set(WHY) <= words


def test_settings_that_cannot_be_read_leave_the_rest_to_be_checked(tmp_path: Path) -> None:
    checks = all_checks(here(tmp_path, LockError("pip.conf cannot be read")))
    wanted = ("settings", "index", "debian", "certificates", "clock", "images")

    found = dict(examine({name: checks[name] for name in wanted}))

    assert [found[name].status for name in wanted] == [
        "failed", "warning", "warning", "warning", "warning", "ok",
    ]  # fmt: skip
    assert "settings" in found["index"].mend
