"""The run itself: every server in turn, each between two probes of FastAPI, round after round."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from benchmarks.serving.ask import Ask
from benchmarks.serving.contenders import Contender
from benchmarks.serving.models import Model
from benchmarks.serving.processes import Failed
from benchmarks.serving.report import BASELINE, CONNECTIONS, OURS, Bare, Left, Row, Start
from benchmarks.serving.wrk import Figures, wrk

_WARM_S = 1


@dataclass(slots=True)
class _Series:
    """What one row gathers, round by round."""

    figures: list[Figures] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Starts:
    start_s: list[float] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Everybody on one model.

    Args:
        model: The model.
        baseline: FastAPI.
        contenders: The others.
        seconds: How long each load is.
        threads: How many threads run the model bare.
    """

    model: Model
    baseline: Contender
    contenders: Sequence[Contender]
    seconds: int
    threads: int
    left: list[Left] = field(default_factory=list)
    _series: dict[tuple[str, str, int], _Series] = field(default_factory=dict)
    _starts: dict[str, _Starts] = field(default_factory=dict)
    _bare: dict[str, list[float]] = field(default_factory=dict)
    _lost: set[str] = field(default_factory=set)

    def run(self, rounds: int, *, until: float) -> int:
        """Measure so many rounds, or as many as begin before `until`; how many there were."""
        with self.baseline.started(self.model) as server:
            (asked,) = self.baseline.asks(self.model)
            wrk(server.port, asked, connections=CONNECTIONS[0], seconds=_WARM_S)

            def probe() -> dict[int, Figures]:
                return {
                    n: wrk(server.port, asked, connections=n, seconds=self.seconds)
                    for n in CONNECTIONS
                }

            for number in range(rounds):
                if number and time.monotonic() > until:
                    return number
                self._round(number, probe, asked)
                starts = self._starts.setdefault(BASELINE, _Starts())
                starts.memory_bytes.append(server.memory_bytes())
                starts.start_s = [server.start_s]
        return rounds

    def rows(self) -> list[Row]:
        """What was measured."""
        return [
            Row(
                model=self.model.name,
                server=server,
                form=form,
                connections=connections,
                rate_per_s=tuple(round(each.rate_per_s, 2) for each in series.figures),
                baseline_per_s=tuple(round(each, 2) for each in series.baseline),
                p50_s=tuple(each.p50_s for each in series.figures),
                p99_s=tuple(each.p99_s for each in series.figures),
                errors=sum(each.errors for each in series.figures),
                refused=sum(each.refused for each in series.figures),
            )
            for (server, form, connections), series in self._series.items()
        ]

    def starts(self) -> list[Start]:
        """How everybody came up."""
        return [
            Start(
                model=self.model.name,
                server=server,
                start_s=tuple(round(each, 3) for each in starts.start_s),
                memory_bytes=tuple(starts.memory_bytes),
            )
            for server, starts in self._starts.items()
        ]

    def bare(self) -> list[Bare]:
        """The model without a server, where that was run."""
        return [
            Bare(
                model=self.model.name,
                server=server,
                threads=self.threads,
                rate_per_s=tuple(round(each, 2) for each in rates),
            )
            for server, rates in self._bare.items()
        ]

    def _round(self, number: int, probe: Callable[[], dict[int, Figures]], asked: Ask) -> None:
        before = probe()
        turn = number % max(len(self.contenders), 1)  # nobody always comes after the same one
        for contender in (*self.contenders[turn:], *self.contenders[:turn]):
            if contender.name in self._lost or self.model.name not in contender.models:
                continue
            say(f"{self.model.name}, round {number + 1}: {contender.name}")
            try:
                found = self._measured(contender)
            except Failed as error:
                say(f"  left out: {error}")
                self.left.append(
                    Left(server=contender.name, model=self.model.name, reason=str(error))
                )
                self._lost.add(contender.name)
                continue
            after = probe()
            for (form, connections), figures in found.items():
                around = (before[connections].rate_per_s, after[connections].rate_per_s)
                self._add(contender.name, form, connections, figures, fmean(around))
            before = after
        for connections, figures in before.items():
            self._add(BASELINE, asked.form, connections, figures, figures.rate_per_s)

    def _measured(self, contender: Contender) -> dict[tuple[str, int], Figures]:
        found = {}
        with contender.started(self.model) as server:
            asks = contender.asks(self.model)
            for asked in asks:
                wrk(server.port, asked, connections=CONNECTIONS[0], seconds=_WARM_S)
                for n in CONNECTIONS:
                    found[asked.form, n] = figures = wrk(
                        server.port, asked, connections=n, seconds=self.seconds
                    )
                    say(
                        f"  {asked.form}, {n}: {figures.rate_per_s:,.0f} a second, "
                        f"p99 {figures.p99_s * 1e3:.1f} ms"
                    )
            if self.model.name == "conv" and contender.name in OURS:
                self._bare.setdefault(contender.name, []).append(self._without_server())
            starts = self._starts.setdefault(contender.name, _Starts())
            starts.start_s.append(server.start_s)
            starts.memory_bytes.append(server.memory_bytes())
        return found

    def _add(
        self, server: str, form: str, connections: int, figures: Figures, baseline: float
    ) -> None:
        series = self._series.setdefault((server, form, connections), _Series())
        series.figures.append(figures)
        series.baseline.append(baseline)

    def _without_server(self) -> float:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("bare.py")), str(self.model.path),
             str(self.threads), str(self.seconds), *map(str, self.model.shape)],
            capture_output=True, text=True, check=True, timeout=self.seconds + 60,
        )  # fmt: skip
        return float(done.stdout)


def say(line: str) -> None:
    """Tell who watches."""
    print(line, flush=True)
