"""Shows that what shipmark-serve says of itself agrees, and that its marker needs no numpy."""

import subprocess
import sys
from email.parser import HeaderParser
from importlib import metadata, resources
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import shipmark_serve
from shipmark_serve import Tensor
from shipmark_serve.contract.schema import DATATYPES
from shipmark_serve.contract.tensor import DATATYPE_OF_DTYPE

SOURCE = Path(__file__).parents[3] / "src"


def test_the_metadata_agrees_with_the_package() -> None:
    text = (resources.files("shipmark_serve") / "METADATA").read_text()
    fields = HeaderParser().parsestr(text)
    assert fields["Name"] == "shipmark-serve"
    assert fields["Version"] == shipmark_serve.__version__
    assert fields["Requires-Python"] == ">=3.11"
    requirements = {r.name: r for r in map(Requirement, fields.get_all("Requires-Dist", []))}
    assert sorted(name for name, r in requirements.items() if r.marker is None) == [
        "httptools",
        "msgspec",
        "uvicorn",
        "uvloop",
    ]
    extras = {str(r.marker) for r in requirements.values() if r.marker is not None}
    assert extras == {f'extra == "{name}"' for name in fields.get_all("Provides-Extra", [])}
    for name, requirement in requirements.items():
        assert metadata.version(name) in requirement.specifier


def test_the_marker_needs_no_numpy() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None; from shipmark_serve import Tensor; "
        "print(Tensor('float32', (-1, 4)).spec('x').datatype)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"FP32\n"


def test_every_v2_datatype_has_a_dtype() -> None:
    assert set(DATATYPE_OF_DTYPE.values()) == set(DATATYPES)


@pytest.mark.parametrize(
    ("dtype", "shape"), [("float", (1,)), ("float32", (-2,)), ("str", (True,))]
)
def test_a_wrong_marker_is_refused(dtype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"{dtype}|{shape[0]}"):
        Tensor(dtype, shape)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(shipmark_serve, "Tensors")
