"""A report as a page of the documentation, and as a table for the terminal. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.serving.report import CONNECTIONS, MEGABYTE, Report, Row
from benchmarks.serving.targets import targets


def render(report: Report) -> str:
    """The page `docs/benchmarks/serving.md`."""
    machine = report.machine
    lines = [
        "# How fast models are served",
        "",
        (
            "Measured by `make bench-serving` beside other servers, each in an environment of its "
            "own, on the same ONNX files, in one run; this page is rendered from [its "
            "figures](../../benchmarks/results/serving.json). Shipmark's guard is on in every row; "
            "the others have none."
        ),
        "",
    ]
    for model, about in report.models.items():
        rows = _rows(report, model)
        if rows:
            lines += [f"## {model}", "", f"{about}.", ""]
            lines += [*_markdown(_HEAD, rows), "", _note(report, model), ""]
    lines += ["## What was asked for", ""]
    lines += _markdown(
        ("what", "wanted", "reached", "holds"),
        [(t.what, t.wanted, t.reached, "yes" if t.holds else "no") for t in targets(report)],
    )
    lines += ["", "## Method", "", *(f"- {line}" for line in report.method), ""]
    if report.left:
        lines += ["Left out:", ""]
        lines += [
            f"- {each.server}, {each.model}: {_one_line(each.reason)}" for each in report.left
        ]
        lines += [""]
    lines += [
        "## Machine and versions",
        "",
        (
            f"{machine.processor}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, "
            f"Linux {machine.kernel}; measured on {report.measured}. Servers and load shared the "
            "cores."
        ),
        "",
        *_markdown(
            ("server", "set up as", "versions"),
            [
                (each.title, each.about, ", ".join(f"{k} {v}" for k, v in each.versions.items()))
                for each in report.servers
            ],
        ),
    ]
    return "\n".join(lines) + "\n"


def table(report: Report) -> str:
    """The figures for a terminal."""
    lines: list[str] = []
    for model in report.models:
        rows = _rows(report, model)
        if rows:
            lines += [f"{model}:", *_aligned([_HEAD, *rows]), ""]
    asked = [("holds", "wanted", "reached", "what")]
    asked += [("yes" if t.holds else "NO", t.wanted, t.reached, t.what) for t in targets(report)]
    return "\n".join([*lines, *_aligned(asked)])


_HEAD = (
    "server", "asked in", "16: a second", "p50 / p99 ms", "to FastAPI",
    "64: a second", "p50 / p99 ms", "to FastAPI", "start s", "MB",
)  # fmt: skip


def _rows(report: Report, model: str) -> list[tuple[str, ...]]:
    titles = {each.name: each.title for each in report.servers}
    starts = {each.server: each for each in report.starts if each.model == model}
    found: dict[tuple[str, str], dict[int, Row]] = {}
    for row in report.rows:
        if row.model == model:
            found.setdefault((row.server, row.form), {})[row.connections] = row
    ordered = sorted(found.items(), key=lambda item: -_rate(item[1]))
    return [
        (
            titles[server],
            form,
            *(cell for n in CONNECTIONS for cell in _cells(rows.get(n))),
            *(
                (
                    f"{median(starts[server].start_s):.2f}",
                    f"{median(starts[server].memory_bytes) / MEGABYTE:.0f}",
                )
                if server in starts
                else ("-", "-")
            ),
        )
        for (server, form), rows in ordered
    ]


def _rate(rows: dict[int, Row]) -> float:
    return max(median(row.rate_per_s) for row in rows.values())


def _cells(row: Row | None) -> tuple[str, str, str]:
    if row is None:
        return "-", "-", "-"
    wrong = row.errors + row.refused
    rate = f"{median(row.rate_per_s):,.0f}" + (f" ({wrong} failed)" if wrong else "")
    times = f"{_milliseconds(row.p50_s)} / {_milliseconds(row.p99_s)}"
    return rate, times, f"{row.ratio:.2f}"


def _milliseconds(values_s: Sequence[float]) -> str:
    value = median(values_s) * 1e3
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _note(report: Report, model: str) -> str:
    rounds = report.rounds[model]
    return (
        f"Medians of {rounds} {'round' if rounds == 1 else 'rounds'} of {report.seconds[model]} s; "
        "*to FastAPI*: the median of the ratios to FastAPI on as many connections, just before and "
        "after."
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
