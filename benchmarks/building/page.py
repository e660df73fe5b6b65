"""A report as a page of the documentation, and as a table for the terminal. Pure."""

from collections.abc import Iterable, Sequence

from benchmarks.building.report import MEGABYTE, Memory, Report, Scenario


def render(report: Report) -> str:
    """The page `docs/benchmarks/build.md`."""
    times = _markdown(_TIMES, map(_time_row, report.scenarios))
    memory = _markdown(_MEMORY, map(_memory_row, report.memory))
    versions = _markdown(("", "version"), report.versions.items())
    bounds = "\n".join(
        [f"- **{each.title}**: {each.bound}" for each in report.scenarios]
        + [f"- **memory, {each.title}**: {each.bound}" for each in report.memory]
    )
    machine = report.machine
    return f"""\
# How fast an image is built

Measured by `make bench-build` beside `docker build` with BuildKit, in one run; this page is
rendered from [its figures](../../benchmarks/results/build.json).

{times}

Seconds, medians of {report.rounds} rounds; in brackets the quickest and the slowest. Processor:
what Shipmark used of all processors together. Large weights: {report.weights_bytes / 2**30:g} GiB.

{memory}

Peak resident memory in MB. Shipmark: all its processes, summed. Docker: by how much the engine and
what it starts grew, and the client.

## What bounds each

{bounds}

## Method

{report.method}

## Machine and versions

{machine.processor}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, \
Linux {machine.kernel}, {machine.file_system}; measured on {report.measured}. Programs that wanted a
processor in the minute before: {machine.load:.1f} (0 on a quiet machine).

{versions}
"""


def table(report: Report) -> str:
    """The figures for a terminal."""
    rows = [_TIMES, *(_time_row(scenario) for scenario in report.scenarios)]
    memory = [_MEMORY, *(_memory_row(memory) for memory in report.memory)]
    return "\n".join([*_aligned(rows), "", *_aligned(memory)])


_TIMES = ("build", "Shipmark", "processor", "Docker", "ratio", "target", "holds")
_MEMORY = ("memory", "Shipmark", "Docker", "target", "holds")


def _time_row(scenario: Scenario) -> tuple[str, ...]:
    targets = []
    if scenario.at_most_ratio is not None:
        targets.append(f"ratio {scenario.at_most_ratio:g}")
    if scenario.at_most_s is not None:
        targets.append(f"{scenario.at_most_s:g} s")
    return (
        scenario.title,
        _seconds(scenario.shipmark_median_s, scenario.shipmark_s),
        f"{scenario.processor_median_s:.2f}",
        _seconds(scenario.docker_median_s, scenario.docker_s),
        f"{scenario.ratio:.2f}",
        ", ".join(targets) or "-",
        ("yes" if scenario.holds else "no") if targets else "-",
    )


def _memory_row(memory: Memory) -> tuple[str, ...]:
    return (
        memory.title,
        _megabytes(max(memory.together_bytes, memory.largest_bytes)),
        _megabytes(memory.docker_bytes),
        _megabytes(memory.at_most_bytes),
        "yes" if memory.holds else "no",
    )


def _seconds(middle: float, every: Sequence[float]) -> str:
    return f"{middle:.2f} ({min(every):.2f}-{max(every):.2f})"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / MEGABYTE:.0f}"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
