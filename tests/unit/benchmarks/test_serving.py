"""What `make bench-serving` says follows from its figures, and its page from its file."""

import json
import math
import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving import ask
from benchmarks.serving.__main__ import PAGE, RESULTS
from benchmarks.serving.ask import Ask
from benchmarks.serving.models import Model, make
from benchmarks.serving.page import render, table
from benchmarks.serving.peers import FASTAPI, PEERS
from benchmarks.serving.processes import Failed, free_port, running, tree
from benchmarks.serving.report import (
    BASELINE,
    SOURCE,
    Bare,
    Cost,
    Left,
    Machine,
    Overload,
    Processes,
    Report,
    Row,
    Server,
    Start,
    dumps,
    loads,
)
from benchmarks.serving.targets import share, targets

ECHO = """\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def row(server: str, form: str, connections: int, rates: tuple[float, ...], **more: object) -> Row:
    values: dict[str, object] = {
        "model": "iris",
        "baseline_per_s": (5000.0, 4000.0, 6000.0)[: len(rates)],
        "p50_s": (0.004,) * len(rates),
        "p99_s": (0.012,) * len(rates),
        "errors": 0,
        "refused": 0,
    }
    return Row(
        server=server,
        form=form,
        connections=connections,
        rate_per_s=rates,
        **(values | more),  # type: ignore[arg-type]  # the record checks them
    )


REPORT = Report(
    measured="2026-11-21",
    rounds={"iris": 3, "conv": 3},
    seconds={"iris": 2, "conv": 6},
    machine=Machine(processor="Abacus", cores=2, memory_bytes=8 << 30, kernel="6.1"),
    servers=(
        Server(name=BASELINE, title="FastAPI", about="one worker", versions={"fastapi": "1"}),
        Server(name=SOURCE, title="Shipmark", about="defaults", versions={"shipmark": "1"}),
        Server(name="cog", title="Cog", about="async", versions={"cog": "1"}),
    ),
    method=("Everybody is asked the same.",),
    models={"iris": "small", "conv": "large"},
    rows=(
        row(BASELINE, "JSON", 16, (5000.0, 4000.0, 6000.0)),
        row(SOURCE, "JSON", 16, (50_000.0, 36_000.0, 66_000.0)),
        row("cog", "JSON", 16, (2000.0, 2000.0, 3000.0), refused=7),
        row(SOURCE, "v2 binary", 64, (190.0, 200.0), model="conv", p99_s=(0.009, 0.007)),
    ),
    starts=(Start(model="iris", server=SOURCE, start_s=(0.5, 0.7), memory_bytes=(80_000_000,)),),
    left=(Left(server="ray", model="all", reason="it\ncannot be had"),),
    bare=(Bare(model="conv", server=SOURCE, threads=2, rate_per_s=(200.0, 205.0)),),
    costs=(Cost(model="iris", form="JSON", with_s=(1.0, 1.1), without_s=(0.95, 1.0)),),
    processes=Processes(one_per_s=(50.0,), two_per_s=(90.0,)),
    overload=Overload(
        capacity_per_s=100.0,
        offered_per_s=200.0,
        throughput_per_s=95.0,
        accepted_max_s=0.5,
        allowed_s=0.68,
        refused=1000,
        refused_p99_s=0.004,
        other_failures=0,
        valid=True,
        queue_limit=32,
        threads=2,
    ),
)


def test_the_page_in_the_docs_is_the_rendering_of_the_figures() -> None:
    if not RESULTS.exists():  # it takes an hour to measure, and is not there in every checkout
        assert not PAGE.exists()
        return
    assert PAGE.read_text(encoding="utf-8") == render(loads(RESULTS.read_bytes()))


def test_a_report_comes_back_from_its_file() -> None:
    assert loads(dumps(REPORT)) == REPORT


def test_a_ratio_is_the_median_of_the_ratios_and_not_the_ratio_of_the_medians() -> None:
    each = REPORT.rows[1]

    assert each.ratio == 10.0
    assert row("cog", "JSON", 16, (1.0, 2.0, 9.0), baseline_per_s=(1.0, 4.0, 3.0)).ratio == 1.0


def test_each_target_says_what_was_reached() -> None:
    told = {each.what: (each.reached, each.holds) for each in targets(REPORT)}

    assert told == {
        "source tree, iris, JSON, 16 connections, FastAPI: times": ("10.00", True),
        "source tree, iris, JSON, 16 connections, cog: times": ("20.00", False),
        "source tree, conv, v2 binary, 64 connections, bare session.run on 2 threads": (
            "0.96",
            True,
        ),
        "source tree, conv, v2 binary, 64 connections, p99 in p50": ("2.00", True),
        "source tree, iris, memory": ("80 MB", True),
        "source tree, iris, start to first answer": ("0.60 s", False),
        "processor time of a request without guard and metrics, in that with them (iris, JSON)": (
            "0.703 (0.929)",
            False,
        ),
        "a GIL-bound Python model on 2 processes, one: times": ("1.80", True),
        "overload at twice the capacity, conv: throughput in capacity": ("0.95", True),
        "the same: the longest wait of an accepted request": ("0.50 s", True),
        "the same: the rest get 429 at once, p99": ("0.004 s, 0 others", True),
    }


def test_the_page_and_the_table_have_every_row_and_what_was_left_out() -> None:
    page, lines = render(REPORT), table(REPORT)

    assert "| Shipmark | JSON | 50,000 | 4.00 / 12.0 | 10.00 |" in page
    assert "2,000 (7 failed)" in page
    assert "- ray, all: it cannot be had" in page
    assert "Abacus, 2 cores, 8 GiB" in page
    assert "- Everybody is asked the same." in page
    assert "NO     at least 24" in lines
    assert "nan" not in page


def test_the_lower_bound_holds_in_19_of_20_runs() -> None:
    dice = random.Random(5)
    held = 0
    for _ in range(400):
        noise = [(dice.gauss(1, 0.05), dice.gauss(0.93, 0.05)) for _ in range(8)]
        pairs = Cost(
            model="m",
            form="f",
            with_s=tuple(one for one, _ in noise),
            without_s=tuple(other for _, other in noise),
        )
        held += share(pairs)[1] <= 0.93
    # One side of a two-sided interval of 95%; five standard errors.
    assert held / 400 == pytest.approx(0.975, abs=0.04)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    return make(tmp_path_factory.mktemp("models"))


def test_the_models_are_the_same_each_time(models: dict[str, Model], tmp_path: Path) -> None:
    for name, model in make(tmp_path).items():
        assert model.path.read_bytes() == models[name].path.read_bytes()
        assert np.array_equal(model.row, models[name].row)


def test_every_form_asks_the_same(models: dict[str, Model]) -> None:
    for model in models.values():
        flat = model.row.ravel()
        plain = json.loads(ask.plain(model).body)["x"]
        (v2,) = json.loads(ask.v2(model).body)["inputs"]
        cog = json.loads(json.loads(ask.cog(model).body)["input"]["x"])
        binary = ask.v2_binary(model)
        length = int(binary.headers["Inference-Header-Content-Length"])

        for values in (plain, v2["data"], cog, json.loads(ask.mlflow(model).body)["inputs"]["x"]):
            assert np.allclose(np.asarray(values, dtype=np.float32).ravel(), flat, atol=1e-6)
        assert v2["shape"] == list(model.row.shape)
        assert binary.body[length:] == flat.astype("<f4").tobytes()
        assert math.prod(model.shape) == flat.size
    assert len(ask.plain(models["conv"]).body) == pytest.approx(279_000, rel=0.01)


def test_every_requirement_is_pinned_and_every_name_its_own() -> None:
    peers = (FASTAPI, *PEERS)

    assert all("==" in each for peer in peers for each in peer.requirements)
    assert len({peer.name for peer in peers}) == len(peers)


def _echo(tmp_path: Path, expected: list[float], port: int) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    command = (sys.executable, "echo.py", str(port))
    asked = Ask(
        form="JSON",
        path="/",
        body=b"[1.5]",
        read=lambda data, _: np.asarray(json.loads(data), dtype=np.float32),
    )
    with running(
        command, {**os.environ}, folder=tmp_path, port=port, first=asked, expected=expected,
        ready_s=20,
    ) as server:  # fmt: skip
        assert server.pid in tree(os.getpid())
        assert server.memory_bytes() > 1_000_000
        assert server.cpu_s() > 0
        assert server.start_s > 0


def test_a_server_is_started_weighed_and_ended(tmp_path: Path) -> None:
    before = tree(os.getpid())
    _echo(tmp_path, [1.5], free_port())

    assert tree(os.getpid()) <= before


def test_a_server_that_answers_wrongly_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="is right"):
        _echo(tmp_path, [1.6], free_port())


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no such thing')")
    asked = Ask(form="JSON", path="/", body=b"", read=lambda _data, _headers: np.zeros(1, "f4"))
    with (
        pytest.raises(Failed, match="no such thing"),
        running(
            command, {}, folder=tmp_path, port=free_port(), first=asked, expected=[], ready_s=20
        ),
    ):
        pass
