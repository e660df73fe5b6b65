"""The house's own rules: what the folders, pages and commands promise about themselves."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from docs.render import pages
from shipmark import __version__
from shipmark.cli.main import VERBS

ROOT = Path(__file__).parents[2]
VAGUE = {"utils", "util", "common", "base", "manager", "managers", "helpers", "helper", "misc"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    command: click.Command = importlib.import_module(f"shipmark.cli.{verb}").command

    assert command.help
    assert any(option.name == "as_json" for option in command.params), "no --json"
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in {"help", "port"}:
            assert option.help, f"--{option.name} has no help"


def test_every_page_of_the_reference_is_what_its_command_says() -> None:
    behind = [
        path.name
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]

    assert not behind, f"run `make docs`: {behind}"


def test_links_in_the_docs_lead_somewhere() -> None:
    import re

    broken = []
    for page in [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")

    assert not broken


def test_the_overview_has_a_line_for_every_folder() -> None:
    overview = (ROOT / "docs/architecture/00-overview.md").read_text(encoding="utf-8")
    folders = [
        path.name
        for package in ("shipmark", "shipmark_serve")
        for path in sorted((ROOT / "src" / package).iterdir())
        if path.is_dir() and path.name != "__pycache__"
    ]

    assert [name for name in folders if f"`{name}/`" not in overview] == []


def test_no_folder_or_module_has_a_name_that_says_nothing() -> None:
    sources = [path for path in (ROOT / "src").rglob("*") if path.suffix == ".py" or path.is_dir()]

    assert [path for path in sources if path.stem in VAGUE] == []


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_help_imports_no_library_that_takes_its_time() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['shipmark', '--help']\n"
        "from shipmark.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "slow = {'httpx', 'rich', 'pysequoia', 'zlib_ng', 'watchfiles', 'asyncio', 'numpy'}\n"
        "print('SLOW', sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "SLOW []"


def test_pre_commit_and_make_run_the_same_gates() -> None:
    assert "entry: dev/check.sh" in (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert "@dev/check.sh" in (ROOT / "Makefile").read_text(encoding="utf-8")
