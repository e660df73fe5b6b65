"""The page of the settings has every variable that is read, and every file that is kept."""

import ast
import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest

from shipmark.cli import flow, home, sources
from shipmark.lock import fetch
from shipmark.store import store
from shipmark.targets.process import state
from shipmark_serve import settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
SERVER = (ROOT / "docs/reference/server.md").read_text(encoding="utf-8")
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
OF_PROXIES = re.compile(r"(HTTPS?|ALL|NO)_PROXY")


class Recording(MutableMapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        self.asked: set[str] = set()
        self._values = values

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return self._values[key]

    def __setitem__(self, key: str, value: str) -> None:
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._values))

    def __len__(self) -> int:
        return len(self._values)


def test_every_variable_that_a_command_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = Recording({"HOME": str(tmp_path), "PATH": "/usr/bin"})
    monkeypatch.setattr("os.environ", environment)
    home.home()
    sources.sources_from_host(cache=tmp_path)
    flow._epoch()

    asked = {name for name in environment.asked if VARIABLE.fullmatch(name)}
    assert {"SHIPMARK_HOME", "SSL_CERT_FILE", "SOURCE_DATE_EPOCH"} <= asked
    assert [name for name in sorted(asked) if not _is_on(PAGE, name)] == []


def _is_on(page: str, name: str) -> bool:
    return f"`{name.lower() if OF_PROXIES.fullmatch(name) else name}`" in page


def test_every_variable_in_the_text_of_the_commands() -> None:
    names = {
        name
        for path in (ROOT / "src/shipmark/cli").glob("*.py")
        for name in _texts(path)
        if re.fullmatch(r"(SHIPMARK|UV|PIP|XDG)_[A-Z_]+[A-Z]", name)
    }

    assert names
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []


def test_every_option_of_pip() -> None:
    options = set(re.findall(r'pip\.get\("([a-z-]+)"\)', _text(Path(sources.__file__))))

    assert {"index-url", "cert"} <= options
    for option in options:
        assert f"`PIP_{option.upper().replace('-', '_')}`" in PAGE


def test_every_variable_that_the_server_asks_for(tmp_path: Path) -> None:
    description = tmp_path / "model.json"
    description.write_text(
        '{"name": "m", "version": "1", "code_digest": "sha256:0", "runtime": "python"}'
    )
    environment = Recording({"SHIPMARK_MODEL": str(description)})
    settings.read(environment)

    assert {"PORT", "MODEL_PATH", "SHIPMARK_TIMEOUT_S"} <= environment.asked
    ours = [name for name in environment.asked if not name.startswith("OTEL_")]
    assert [name for name in ours if f"| `{name}` |" not in SERVER] == []


@pytest.mark.parametrize(
    ("module", "title"),
    [(store, "### `data/store`"), (fetch, "### `cache`"), (state, "### `state/deployments/")],
    ids=["store", "cache", "state"],
)
def test_every_file_that_is_kept(module: object, title: str) -> None:
    _, _, rest = PAGE.partition(f"\n{title}")
    section = rest.partition("\n### ")[0]
    layout = re.findall(
        r"^ {4,8}([a-z][\w/<>.]*(?:, [\w.]+)?)  ", str(module.__doc__), re.MULTILINE
    )

    assert layout
    for names in layout:
        for name in names.split(", "):
            assert f"`{name}`" in section, name


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(_text(path))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
