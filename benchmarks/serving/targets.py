"""What is asked of Shipmark, and whether the figures of a report reach it. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean, median, stdev

from benchmarks.serving.report import BASELINE, IMAGE, MEGABYTE, SOURCE, Cost, Report, Row

_TIMES_AT_16 = {
    "litserve": 40, "bentoml": 40, "mlflow": 40, "mlserver": 24, "cog": 24,
}  # fmt: skip


_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
"""Quantiles of Student's t, for 1 and more degrees of freedom; the last for all that follow."""


@dataclass(frozen=True, slots=True)
class Target:
    """One figure that should be reached."""

    what: str
    wanted: str
    reached: str
    holds: bool


def targets(report: Report) -> list[Target]:
    """Every target of which the report has the figures."""
    rows = {row.key: row for row in report.rows}
    found: list[Target] = []
    for server in (SOURCE, IMAGE):
        found += _small(rows, server)
        found += _large(report, rows, server)
        found += _beginning(report, server)
    found += [_cost(each) for each in report.costs]
    found += _others(report)
    return found


def _small(rows: dict[tuple[str, str, str, int], Row], server: str) -> Iterator[Target]:
    for model in ("iris", "mlp"):
        for form in ("JSON", "v2 JSON"):
            name = f"{_shown(server)}, {model}, {form}"
            if mine := rows.get((model, server, form, 16)):
                yield _times(f"{name}, 16 connections, FastAPI", mine.ratio, 8)
                for peer, factor in _TIMES_AT_16.items():
                    if theirs := _of(rows, model, peer, 16):
                        title = f"{name}, 16 connections, {peer}"
                        yield _times(title, mine.ratio / theirs.ratio, factor)
            if mine := rows.get((model, server, form, 64)):
                yield _times(f"{name}, 64 connections, FastAPI", mine.ratio, 12)
                if base := _of(rows, model, BASELINE, 64):
                    share = median(mine.p99_s) / median(base.p50_s)
                    yield Target(
                        f"{name}, 64 connections, p99 in FastAPI's p50",
                        "below 0.33",
                        f"{share:.2f}",
                        share < 1 / 3,
                    )
                theirs = _of(rows, model, "triton", 64)
                if theirs and form == "v2 JSON":
                    title = f"{name}, 64 connections, Triton's Python backend"
                    yield _times(title, mine.ratio / theirs.ratio, 3)


def _large(
    report: Report, rows: dict[tuple[str, str, str, int], Row], server: str
) -> Iterator[Target]:
    if mine := rows.get(("conv", server, "v2 binary", 64)):
        for bare in report.bare:
            if bare.server != server:
                continue
            share = median(
                one / other for one, other in zip(mine.rate_per_s, bare.rate_per_s, strict=False)
            )
            yield Target(
                f"{_shown(server)}, conv, v2 binary, 64 connections, bare session.run on "
                f"{bare.threads} threads",
                "at least 0.95",
                f"{share:.2f}",
                share >= 0.95,
            )
        spread = median(mine.p99_s) / median(mine.p50_s)
        yield Target(
            f"{_shown(server)}, conv, v2 binary, 64 connections, p99 in p50",
            "at most 2",
            f"{spread:.2f}",
            spread <= 2,
        )
    for connections in (16, 64):
        mine = rows.get(("conv", server, "JSON", connections))
        theirs = _of(rows, "conv", "flask", connections)
        if mine and theirs:
            title = f"{_shown(server)}, conv, JSON, {connections} connections, Flask on 2 workers"
            yield _times(title, mine.ratio / theirs.ratio, 1)


def _beginning(report: Report, server: str) -> Iterator[Target]:
    for each in report.starts:
        if (each.server, each.model) == (server, "iris"):
            memory = median(each.memory_bytes) / MEGABYTE
            yield Target(
                f"{_shown(server)}, iris, memory", "below 90 MB", f"{memory:.0f} MB", memory < 90
            )
            start_s = median(each.start_s)
            yield Target(
                f"{_shown(server)}, iris, start to first answer",
                "below 0.6 s",
                f"{start_s:.2f} s",
                start_s < 0.6,
            )


def _cost(cost: Cost) -> Target:
    ratio, lower = share(cost)
    return Target(
        f"processor time of a request without guard and metrics, in that with them "
        f"({cost.model}, {cost.form})",
        "at least 0.90, lower bound of 95%",
        f"{lower:.3f} ({ratio:.3f})",
        lower >= 0.9,
    )


def share(cost: Cost) -> tuple[float, float]:
    """The ratio of a cost's pairs, and the lower bound of its 95% interval."""
    logs = [
        math.log(without / having)
        for having, without in zip(cost.with_s, cost.without_s, strict=True)
    ]
    middle = fmean(logs)
    if len(logs) < 2:
        return math.exp(middle), 0.0
    quantile = _T_975[min(len(logs) - 1, len(_T_975)) - 1]
    return math.exp(middle), math.exp(middle - quantile * stdev(logs) / math.sqrt(len(logs)))


def _others(report: Report) -> Iterator[Target]:
    if report.processes is not None:
        pairs = zip(report.processes.two_per_s, report.processes.one_per_s, strict=True)
        yield _times(
            "a GIL-bound Python model on 2 processes, one",
            median(two / one for two, one in pairs),
            1.6,
        )
    if (each := report.overload) is not None:
        reached = each.throughput_per_s / each.capacity_per_s
        yield Target(
            "overload at twice the capacity, conv: throughput in capacity",
            "above 0.9",
            f"{reached:.2f}" + ("" if each.valid else " (not valid)"),
            reached > 0.9 and each.valid,
        )
        yield Target(
            "the same: the longest wait of an accepted request",
            f"within {each.allowed_s:.2f} s",
            f"{each.accepted_max_s:.2f} s",
            each.accepted_max_s <= each.allowed_s and each.valid,
        )
        yield Target(
            "the same: the rest get 429 at once, p99",
            "below 0.1 s, and no other failure",
            f"{each.refused_p99_s:.3f} s, {each.other_failures} others",
            each.refused > 0 and each.refused_p99_s < 0.1 and not each.other_failures,
        )


def _times(what: str, factor: float, wanted: float) -> Target:
    return Target(f"{what}: times", f"at least {wanted:g}", f"{factor:.2f}", factor >= wanted)


def _of(
    rows: dict[tuple[str, str, str, int], Row], model: str, server: str, connections: int
) -> Row | None:
    """The row of a server that is asked in one form only."""
    for key, row in rows.items():
        if (key[0], key[1], key[3]) == (model, server, connections):
            return row
    return None


def _shown(server: str) -> str:
    return {SOURCE: "source tree", IMAGE: "image"}[server]
