"""Shows that the page on metrics, log and traces names everything that there is."""

from pathlib import Path

from shipmark_serve import access_log, tracing
from shipmark_serve.metrics.families import ROUTES
from shipmark_serve.metrics.page import FAMILIES

PAGE = (Path(__file__).parents[2] / "docs/reference/observing.md").read_text(encoding="utf-8")


def test_every_metric_with_its_type_and_labels() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `shipmark_")]
    assert [row.rsplit(" | ", 1)[0] for row in rows] == [
        f"| `{family.name}{'_total' if family.kind == 'counter' else ''}` | {family.kind} | "
        f"{', '.join(f'`{label}`' for label in family.labels)}".rstrip()
        for family in FAMILIES
    ]
    assert f"`route` is one of {', '.join(f'`{route}`' for route in ROUTES)}." in PAGE


def test_every_key_of_a_line() -> None:
    for key in access_log._Line.__struct_fields__:
        assert f"`{key}`" in PAGE, key


def test_every_variable_of_traces() -> None:
    for key in tracing.Traces.__struct_fields__:
        assert f"`OTEL_{key.upper()}`" in PAGE, key
