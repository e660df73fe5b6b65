"""What a package needs: read from one place, in pip's syntax, without anything of a host."""

from pathlib import Path

import pytest

from tests.unit.package.making import LEAST, complaints, read_files, the_only

HASH = "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy\n# comment\n\n  scipy>=1 # why\n", ("numpy", "scipy>=1")),
        ("numpy>=2,\\\n  <3\n", ("numpy<3,>=2",)),
        ("b\r\na\r\nb\r\n", ("a", "b")),
        ("\ufeffnumpy", ("numpy",)),
        (f"numpy==2.0 --hash=sha256:{HASH}", ("numpy==2.0",)),
        (f"numpy==2.0 \\\n  --hash=sha256:{HASH} \\\n  --hash=md5:x", ("numpy==2.0",)),
        ('numpy; python_version < "3.12"', ('numpy; python_version < "3.12"',)),
        ("requests[socks]", ("requests[socks]",)),
        ("--only-binary :all:\n--require-hashes\n--prefer-binary\nnumpy", ("numpy",)),
        ("-r more/extra.txt\nnumpy", ("numpy", "pandas", "scipy")),
        ("--requirement=more/extra.txt", ("pandas", "scipy")),
        ("shipmark-serve==0.1\nnumpy", ("numpy",)),
        ("shipmark-serve[otel]\nshipmark[x]", ("shipmark-serve[otel]",)),
    ],
)
def test_read(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    files = {
        **LEAST,
        "requirements.txt": text,
        "more/extra.txt": "-r ../again.txt\nscipy\n",
        "again.txt": "-r requirements.txt\npandas\n",
    }
    assert read_files(tmp_path, files).requirements == expected


def test_hashes_are_kept(tmp_path: Path) -> None:
    text = f"NumPy==2.0 --hash=sha256:{HASH} --hash sha256:{'b' * 64}\nscipy\n"
    package = read_files(tmp_path, {**LEAST, "requirements.txt": text})
    assert package.hashes == {"numpy": frozenset((HASH, "b" * 64))}


@pytest.mark.parametrize(
    ("line", "message", "mend"),
    [
        ("-i https://me:pw@host/simple", "-i is refused: where packages come", "on the host"),
        ("--index-url=https://me:pw@host/simple", "--index-url is refused", "on the host"),
        ("--extra-index-url https://me:pw@host", "--extra-index-url is refused", "on the host"),
        ("--find-links ./wheels", "--find-links is refused", "on the host"),
        ("--trusted-host x", "--trusted-host is refused", "on the host"),
        ("-c constraints.txt", "constraints are not read", "pins"),
        ("-e .", "an editable install is refused", "into the package"),
        ("--pre", "--pre is refused", "pre-release"),
        ("--weird", "--weird is not supported", "leave it out"),
        ("./local.whl", "is a path or an address", "index"),
        ("git+https://me:pw@host/x.git", "is a path or an address", "index"),
        ("https://me:pw@host/x.whl", "is a path or an address", "index"),
        ("x @ https://me:pw@host/x.whl", "x is asked for by an address", "x==VERSION"),
        ("numpy>=>2", "is not a requirement", "PEP 508"),
        ("numpy --global-option=x", "--global-option is not supported", "leave it out"),
        ("numpy --hash=md5:1234", "no hash of the form sha256:", "sha256"),
        ("-r ../outside.txt", "includes '../outside.txt', which leaves the package", "package"),
        ("-r /etc/passwd", "includes '/etc/passwd', which is an absolute path", "package"),
        ("-r missing.txt", "which is not in the package", ".shipmarkignore"),
    ],
)
def test_refused(tmp_path: Path, line: str, message: str, mend: str) -> None:
    found = the_only(complaints(tmp_path, {**LEAST, "requirements.txt": f"# first\n{line}\n"}))
    assert found.place == "requirements.txt:2"
    assert message in found.message
    assert mend in found.mend
    assert "pw" not in found.message


def test_place_in_an_included_file(tmp_path: Path) -> None:
    files = {**LEAST, "requirements.txt": "-r a.txt", "a.txt": "\n\n-e x"}
    assert the_only(complaints(tmp_path, files)).place == "a.txt:3"


def test_not_utf8(tmp_path: Path) -> None:
    found = the_only(complaints(tmp_path, {**LEAST, "requirements.txt": b"numpy\n\xff\n"}))
    assert str(found) == "requirements.txt:2: is not UTF-8"


def test_two_places(tmp_path: Path) -> None:
    files = {
        **LEAST,
        "requirements.txt": "numpy",
        "shipmark.toml": "[python]\nrequires = ['scipy']",
    }
    found = the_only(complaints(tmp_path, files))
    assert str(found) == (
        "requirements.txt: says what the package needs, and so does "
        "shipmark.toml:2 [python] requires"
    )


def test_config_place(tmp_path: Path) -> None:
    toml = "[python]\nrequires = ['numpy', '???']"
    found = the_only(complaints(tmp_path, {**LEAST, "shipmark.toml": toml}))
    assert found.place == "shipmark.toml:2 [python] requires"
    assert "'???' is not a requirement" in found.message


PYLOCK = f"""
lock-version = "1.0"
created-by = "test"
[[packages]]
name = "numpy"
version = "2.1.0"
marker = "python_version >= '3.11'"
[[packages.wheels]]
url = "https://example.org/numpy-2.1.0-cp311-cp311-manylinux_2_17_x86_64.whl"
hashes = {{ sha256 = "{HASH}" }}
"""


def test_pylock(tmp_path: Path) -> None:
    package = read_files(tmp_path, {**LEAST, "pylock.toml": PYLOCK})
    assert package.requirements == ('numpy==2.1.0; python_version >= "3.11"',)
    assert package.hashes == {"numpy": frozenset((HASH,))}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is no lock of PEP 751"),
        ("lock-version = '9.0'", "is no lock of PEP 751"),
        (
            PYLOCK + '[[packages]]\nname = "mine"\n[packages.directory]\npath = "."\n',
            "mine is not taken from an index by version",
        ),
    ],
)
def test_bad_pylock(tmp_path: Path, text: str, message: str) -> None:
    found = the_only(complaints(tmp_path, {**LEAST, "pylock.toml": text}))
    assert message in found.message
