"""Shows that plug-ins are found by name, and that what is missing is named."""

import sys
from pathlib import Path

import pytest

from shipmark_serve.contract import plugins
from shipmark_serve.contract.errors import MissingExtra, ShipmarkError


@pytest.mark.parametrize("name", ["onnx", "python", "sklearn"])
def test_built_in_runtimes_are_functions(name: str) -> None:
    assert callable(plugins.load("runtime", name))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ShipmarkError, match="there is no runtime called 'onxx'") as caught:
        plugins.load("runtime", "onxx")
    assert caught.value.hint == "known ones: onnx, python, sklearn"
    with pytest.raises(ShipmarkError) as caught:
        plugins.load("nothing", "x")
    assert caught.value.hint == "known ones: none"


def test_entry_points_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_runtime.py").write_text("def load(files): return files\nimport absent_lib\n")
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[shipmark.runtime]\nother = other_runtime:load\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.names("runtime") == ["onnx", "other", "python", "sklearn"]
    with pytest.raises(MissingExtra, match="the runtime other needs absent_lib") as caught:
        plugins.load("runtime", "other")
    assert "pip install absent_lib" in caught.value.hint
    (tmp_path / "absent_lib.py").write_text("")
    assert plugins.load("runtime", "other")(7) == 7


def test_a_missing_library_is_named_as_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "shipmark_serve.runtimes.sklearn", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Absent(), *sys.meta_path])
    with pytest.raises(MissingExtra, match="the runtime sklearn needs scikit-learn"):
        plugins.load("runtime", "sklearn")


class _Absent:
    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
