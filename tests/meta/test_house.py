"""The house's own rules: what the folders, pages and commands promise about themselves."""

import importlib
import re
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
SAYS_SOMETHING = {"shipmark/builders/base.py", "shipmark/lock/debian/base.py"}
"""The base of an image, as `[image] base` and the field call it."""


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


def test_the_overview_has_a_line_for_every_folder() -> None:
    overview = (ROOT / "docs/architecture/00-overview.md").read_text(encoding="utf-8")
    folders = [
        path.name
        for package in ("shipmark", "shipmark_serve")
        for path in sorted((ROOT / "src" / package).iterdir())
        if path.is_dir() and path.name != "__pycache__"
    ]

    assert [name for name in folders if f"`{name}/`" not in overview] == []


def test_what_the_overview_names_is_there() -> None:
    overview = (ROOT / "docs/architecture/00-overview.md").read_text(encoding="utf-8")
    sides = re.split(r"\n## (?:The build|The data|Beside)[^\n]*\n", overview)[1:]
    for folder, section in zip(("src/shipmark", "src/shipmark_serve", "."), sides, strict=True):
        table = section.partition("\n## ")[0]
        for name in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE):
            assert (ROOT / folder / name).exists(), f"{folder}/{name}"


def test_the_overview_has_a_line_for_every_module_of_the_server() -> None:
    overview = (ROOT / "docs/architecture/00-overview.md").read_text(encoding="utf-8")
    modules = [path.name for path in (ROOT / "src/shipmark_serve").glob("[a-z]*.py")]

    assert [name for name in modules if f"| `{name}` |" not in overview] == []


def test_the_readme_names_every_verb() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert [verb for verb in VERBS if not re.search(rf"shipmark {verb}\b|`{verb}`", readme)] == []


def test_no_folder_or_module_has_a_name_that_says_nothing() -> None:
    source = ROOT / "src"
    paths = [path for path in source.rglob("*") if path.suffix == ".py" or path.is_dir()]
    names = {str(path.relative_to(source)) for path in paths if path.stem in VAGUE}

    assert names - SAYS_SOMETHING == set()


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
