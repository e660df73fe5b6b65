"""`new` makes packages that are right as they are, answer as they say, and overwrite nothing."""

import sys
from pathlib import Path

import pytest

from shipmark.errors import PackageError
from shipmark.package import read, templates
from shipmark_serve.loading import load
from shipmark_serve.settings import ServerSettings, Settings
from shipmark_serve.tracing import Traces


@pytest.mark.parametrize("template", list(templates.TEMPLATES))
def test_template_works_as_it_is(
    tmp_path: Path, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    into = tmp_path / "made" / "first"
    created = templates.new("first-model", template, into)
    assert into / "model.py" in created
    assert all(path.is_file() for path in created)
    package = read(into)
    assert (package.name, str(package.version), package.notes) == ("first-model", "0.1.0", ())
    assert package.model.golden == ("golden/example.json",)
    settings = Settings(
        server=ServerSettings(),
        serve=package.model.serve,
        traces=Traces(),
        model=package.model,
        root=into,
        weights=None,
    )
    try:
        loaded = load(settings)  # which runs the golden records
    finally:
        sys.modules.pop("model", None)
    assert package.model.schema in (None, loaded.servable.interface.schema)


def test_static_schema_is_the_one_the_server_reads(tmp_path: Path) -> None:
    assert read_schema(tmp_path, "text") is not None
    assert read_schema(tmp_path, "tensor") is not None


def read_schema(tmp_path: Path, template: str) -> object:
    templates.new("demo", template, tmp_path / template)
    return read(tmp_path / template).model.schema


def test_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert templates.new("here", "text", tmp_path / "here")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("kind", ["file", "full", "link"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    into = tmp_path / "here"
    if kind == "file":
        into.write_text("mine")
    elif kind == "link":
        into.symlink_to(tmp_path)
    else:
        into.mkdir()
        (into / "mine").write_text("mine")
    with pytest.raises(PackageError, match="there is something already"):
        templates.new("here", "text", into)
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize(
    ("name", "template", "words"),
    [
        ("Bad Name", "text", "cannot make a package: 'Bad Name' is not a name"),
        ("good", "txt", "there is no template 'txt'"),
    ],
)
def test_bad_words(tmp_path: Path, name: str, template: str, words: str) -> None:
    with pytest.raises(PackageError, match=words) as caught:
        templates.new(name, template, tmp_path / "here")
    assert caught.value.hint
    assert not list(tmp_path.iterdir())
