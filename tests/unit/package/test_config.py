"""shipmark.toml: each fault with its line, what was expected and the mend; all in one pass."""

from pathlib import Path

import pytest

from shipmark.package.toml_lines import lines_of_keys
from tests.unit.package.making import LEAST, complaints, read_files, the_only


@pytest.mark.parametrize(
    ("toml", "place", "message", "mend"),
    [
        (
            "[serve]\n\nmax_batch = 3",
            "shipmark.toml:3 [serve] max_batch",
            "is no key of this table",
            "did you mean max_batch_size?",
        ),
        ("[serv]\nworkers = 1", "shipmark.toml:1 [serv]", "is no known table", "mean serve?"),
        ("workers = 1", "shipmark.toml:1 [workers]", "outside of a table", "below [serve]"),
        ("x = 1", "shipmark.toml:1 [x]", "outside of a table", "[model], [weights]"),
        ("model = 1", "shipmark.toml:1 [model]", "a whole number, not a table", "[model]"),
        (
            "[serve]\nworkers = 'two'",
            "shipmark.toml:2 [serve] workers",
            "is a string ('two'), not a whole number",
            "correct its value",
        ),
        (
            "[model]\nversion = 1.0",
            "shipmark.toml:2 [model] version",
            "is a number (1.0), not a string",
            'version = "1.0"',
        ),
        (
            "[python]\nrequires = 'numpy'",
            "shipmark.toml:2 [python] requires",
            "not a list of strings",
            "",
        ),
        (
            "[python]\nrequires = [1]",
            "shipmark.toml:2 [python] requires",
            "not a list of strings",
            "",
        ),
        ("[model]\nname = 'My Model'", "shipmark.toml:2 [model] name", "is not a name", "my-model"),
        ("[model]\nname = '-a'", "shipmark.toml:2 [model] name", "is not a name", ""),
        ("[model]\nname = 'a..b'", "shipmark.toml:2 [model] name", "is not a name", ""),
        (f"[model]\nname = '{'a' * 64}'", "shipmark.toml:2 [model] name", "at most 63", ""),
        ("[model]\nversion = 'a b'", "shipmark.toml:2 [model] version", "not a version", ""),
        ("[model]\nentry = '../x.py'", "shipmark.toml:2 [model] entry", "leaves the package", ""),
        ("[weights]\npath = '/w'", "shipmark.toml:2 [weights] path", "is an absolute path", ""),
        (
            "[weights]\npath = 'w'",
            "shipmark.toml:2 [weights] path",
            "'w' is not in the package",
            "",
        ),
        ("[python]\nversion = '3.9'", "shipmark.toml:2 [python] version", "3.11 on", "3.11, 3.13"),
        (
            "[image]\nsuite = 'trixie'\n[python]\nversion = '3.11'",
            "shipmark.toml:4 [python] version",
            "is 3.11, and the Python of Debian trixie is 3.13",
            "suite bookworm",
        ),
        (
            "[python]\nversion = '3.12'",
            "shipmark.toml:2 [python] version",
            "is 3.12, and the Python of Debian bookworm is 3.11",
            "base",
        ),
        ("[image]\nsuite = 'sid'", "shipmark.toml:2 [image] suite", "not a known", ""),
        ("[image]\nsuite = 'sid'", "shipmark.toml:2 [image] suite", "", "bookworm, trixie"),
        (
            "[image]\nbase = 'python:3.11'",
            "shipmark.toml:2 [image] base",
            "not an image by digest",
            "sha256",
        ),
        ("[system]\npackages = ['A b']", "shipmark.toml:2 [system] packages", "Debian package", ""),
        ("[resources]\nmemory = '512'", "shipmark.toml:2 [resources] memory", "amount", "512M"),
        ("[resources]\ncpus = 0", "shipmark.toml:2 [resources] cpus", "not more than 0", "number"),
        (
            "[serve]\ntimeout_s = nan",
            "shipmark.toml:2 [serve] timeout_s",
            "is nan, not more than 0",
            "",
        ),
        ("[serve]\ntimeout_s = inf", "shipmark.toml:2 [serve] timeout_s", "is inf", ""),
        (
            "[serve]\nworkers = 0",
            "shipmark.toml:2 [serve] workers",
            "is 0, not at least 1",
            "number",
        ),
        ("[env]\nA = 1", "shipmark.toml:2 [env] A", "is a whole number (1)", 'A = "1"'),
        ("[env]\n'A B' = '1'", "shipmark.toml:2 [env] A B", "not the name of an environment", ""),
        ("[env]\nSHIPMARK_ROOT = '1'", "shipmark.toml:2 [env] SHIPMARK_ROOT", "reserved", ""),
        ("[validate]\ndata = 'x'", "shipmark.toml:1 [validate]", "lacks metric", "add metric"),
        (
            "[validate]\ndata = 'x'\nmetric = 'accuracy'\nthreshold = 0.9",
            "shipmark.toml:2 [validate] data",
            "'x' is not in the package",
            "",
        ),
        ("[model]\nruntime = 'pyton'", "shipmark.toml:2 [model] runtime", "no runtime", "python?"),
        ("[model]\nentry = 'mode.py'", "shipmark.toml:2 [model] entry", "", "mean model.py?"),
        ("[model]\na = 1\na = 2\n[env]", "shipmark.toml:3", "is not TOML", "toml.io"),
        ("[model", "shipmark.toml", "is not TOML", ""),
        ("a = [" * 3000, "shipmark.toml", "", ""),
    ],
)
def test_fault(tmp_path: Path, toml: str, place: str, message: str, mend: str) -> None:
    found = complaints(tmp_path, {**LEAST, "shipmark.toml": toml})
    first = found[0]
    assert first.place == place or (place == "shipmark.toml" and first.place.startswith(place))
    assert message in first.message
    assert mend in first.mend
    assert first.mend
    assert "\n" not in str(first)


def test_all_faults_at_once(tmp_path: Path) -> None:
    toml = "[serve]\nworker = 1\ntimeout_s = 'x'\n[model]\nname = 'A'\n[modle]\n[env]\n1A = 'x'\n"
    found = complaints(tmp_path, {"model.py": "def predict(): ...", "shipmark.toml": toml})
    assert [each.place for each in found] == [
        "shipmark.toml:2 [serve] worker",
        "shipmark.toml:3 [serve] timeout_s",
        "shipmark.toml:5 [model] name",
        "shipmark.toml:6 [modle]",
        "shipmark.toml:8 [env] 1A",
        "model.py:1",
    ]


def test_not_utf8(tmp_path: Path) -> None:
    found = the_only(complaints(tmp_path, {**LEAST, "shipmark.toml": b"# \xfc"}))
    assert str(found) == "shipmark.toml: is not UTF-8 (at byte 2)"


def test_whole_file(tmp_path: Path) -> None:
    toml = """
[model]
name = "sentiment"
version = "1.0.3"
entry = "src/serve.py"

[weights]
path = "data/big.bin"
version = "2026.11"

[python]
version = "3.13"
requires = ["numpy>=2"]

[system]
packages = ["libgl1"]

[serve]
timeout_s = 5
workers = 2

[resources]
cpus = 1.5
memory = "512M"

[env]
MODE = "fast"
"""
    files = {"shipmark.toml": toml, "src/serve.py": LEAST["model.py"], "data/big.bin": b"x"}
    package = read_files(tmp_path, files)
    assert package.name == "sentiment"
    assert package.config.image.suite == "trixie"
    assert package.config.model.runtime == "python"
    assert package.model.serve.timeout_s == 5.0
    assert package.model.entry == "src/serve.py"
    assert package.model.weights == "data/big.bin"
    assert package.requirements == ("numpy>=2",)
    assert package.config.env == {"MODE": "fast"}
    assert [each.path for each in package.weights] == ["data/big.bin"]


def test_secret_in_env_is_noted(tmp_path: Path) -> None:
    toml = "[env]\nAPI_KEY = 'hush'\n"
    package = read_files(tmp_path, {**LEAST, "shipmark.toml": toml})
    note = next(each for each in package.notes if "secret" in each.message)
    assert note.place == "shipmark.toml:2 [env] API_KEY"
    assert "hush" not in str(package.notes)


def test_lines_of_keys() -> None:
    text = '''# [no]
[a] # comment
x = 1
text = """
[b]
y = 2
"""
"quoted key" = 3
[ c . d ]
e.f = 1
'''
    assert lines_of_keys(text) == {
        ("a",): 2,
        ("a", "x"): 3,
        ("a", "text"): 4,
        ("a", "quoted key"): 8,
        ("c", "d"): 9,
        ("c", "d", "e"): 10,
        ("c", "d", "e", "f"): 10,
    }
