"""What the tests of the data plane share."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shipmark_serve.predictor import ModelFiles

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModelFiles]:
    """The files of a package below `tmp_path` whose code or weights have that name."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "modules", sys.modules.copy())

    def of(name: str) -> ModelFiles:
        path = tmp_path / name
        code = path.suffix == ".py"
        return ModelFiles(
            root=tmp_path, entry=path if code else None, weights=None if code else path
        )

    return of
