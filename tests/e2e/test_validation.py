"""`[validate]`: a version that answers its data set too badly is refused, and told why."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import CommandLine

pytestmark = [pytest.mark.network, pytest.mark.sandbox]

HALVES = """
def predict(x: float) -> dict[str, float | str]:
    if x > 90:
        raise RuntimeError(f"{x} is too much")
    return {"half": x // 2, "size": "large" if x >= 10 else "small"}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "halves"
    (root / "data").mkdir(parents=True)
    (root / "model.py").write_text(HALVES)
    return root


def ask_for(package: Path, records: Any, metric: str, threshold: float) -> None:
    (package / "data" / "held-out.json").write_text(json.dumps(records))
    (package / "shipmark.toml").write_text(
        f'[validate]\ndata = "data/held-out.json"\nmetric = "{metric}"\nthreshold = {threshold}\n'
    )


def sizes(*wrong: int) -> list[dict[str, Any]]:
    """Twenty numbers with their sizes; those of `wrong` expect something else."""
    return [
        {
            "input": x,
            "output": {"size": "huge" if x in wrong else "large" if x >= 10 else "small"},
        }
        for x in range(20)
    ]


def test_reached(shipmark: CommandLine, package: Path) -> None:
    ask_for(package, sizes(3), "accuracy", 0.95)

    told = shipmark.ok("check", package)
    checked = shipmark.json("check", package)

    assert "accuracy is 0.95 on 20 records of data/held-out.json" in told
    assert checked["validation"] == {
        "data": "data/held-out.json",
        "records": 20,
        "metric": "accuracy",
        "value": 0.95,
        "threshold": 0.95,
    }
    assert shipmark.json("check", package, "--static")["validation"] is None


def test_missed(shipmark: CommandLine, package: Path) -> None:
    ask_for(package, sizes(3, 4, 17), "accuracy", 0.97)

    done = shipmark.run("check", package)
    as_json = shipmark.run("check", package, "--json")

    assert done.returncode == as_json.returncode == 3
    assert done.stdout == ""
    assert (
        "accuracy is 0.85 on 20 records of data/held-out.json; [validate] threshold asks for 0.97"
    ) in done.stderr
    assert "record 4: expected {'size': 'huge'}, got {'size': 'small'}" in done.stderr
    assert "20 records" in done.stderr, "no progress"
    assert "Traceback" not in done.stderr
    (complaint,) = json.loads(as_json.stdout)["complaints"]
    assert complaint["message"].startswith("accuracy is 0.85")
    assert shipmark.json("ps") == []


def test_an_error_that_is_too_large(shipmark: CommandLine, package: Path) -> None:
    records = [{"input": x, "output": {"half": x / 2}} for x in range(10)]
    ask_for(package, records, "mean_absolute_error", 0.2)

    words = shipmark.refused("check", package)

    assert (
        "mean_absolute_error is 0.25 on 10 records of data/held-out.json; "
        "[validate] threshold asks for at most 0.2"
    ) in words


def test_a_record_that_the_server_refuses_is_named(shipmark: CommandLine, package: Path) -> None:
    ask_for(package, [*sizes(), {"input": "ten", "output": {"size": "large"}}], "accuracy", 0.5)

    words = shipmark.refused("check", package)

    assert "data/held-out.json record 21: is not answered: " in words
    assert "400 Bad Request: at $: expected float, got str" in words


def test_a_record_that_the_model_raises_at_is_named(shipmark: CommandLine, package: Path) -> None:
    ask_for(package, [{"name": "big", "input": 99, "output": {}}], "accuracy", 0.5)

    words = shipmark.refused("check", package)

    assert "data/held-out.json record 1 (big): is not answered: " in words
    assert "500 Internal Server Error: the model raised an exception" in words
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("records", "threshold", "place"),
    [
        ([{"input": 1}], 0.9, "data/held-out.json record 1: is not right: "),
        ([], 0.9, "data/held-out.json: holds no record"),
        (sizes(), 97, "shipmark.toml [validate] threshold: is 97, which no accuracy can be"),
    ],
)
def test_a_bad_data_set_is_told_without_starting_anything(
    shipmark: CommandLine, package: Path, records: Any, threshold: float, place: str
) -> None:
    ask_for(package, records, "accuracy", threshold)

    assert place in shipmark.refused("check", package, "--static")
