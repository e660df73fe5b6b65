"""Shows that what is scraped is what was counted: over any counts, any processes, and restarts."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from prometheus_client.samples import Sample as Scraped

from shipmark_serve.call import Call, Head
from shipmark_serve.contract.model import Model
from shipmark_serve.metrics import exposition, families
from shipmark_serve.metrics.exposition import OPENMETRICS, TEXT, Sample, render, samples
from shipmark_serve.metrics.families import CODES, LAYOUT, ROUTES
from shipmark_serve.metrics.family import Family, Layout
from shipmark_serve.metrics.meter import Meter
from shipmark_serve.metrics.page import Page
from shipmark_serve.metrics.process import usage
from shipmark_serve.metrics.region import Region
from shipmark_serve.service import Plain

MODEL = Model(name="iris", version='1.0"\\\n', code_digest="sha256:aa", runtime="onnx")
TIMES = st.floats(0, 100)


def call(route: str, began: float = 1.0, queued: float = 0.0, started: float = 0.0) -> Call:
    return Call(
        route=route,
        endpoint=Plain(route),
        head=Head(),
        request_id=b"id",
        began=began,
        deadline=99.0,
        queued=queued,
        started=started,
    )


def scraped(body: bytes) -> Iterator[Scraped]:
    for family in prometheus(body.decode()):
        yield from family.samples


def page(region: Region) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a scrape finds, by name and labels."""
    body = Page(MODEL, region).answer("").body
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for sample in scraped(body)
    }


_BOUNDS = ["0.1", "1.0", "10.0", "+Inf"]
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)
NUMBERS = st.floats(0, 1e12) | st.integers(0, 10**9).map(float)


@settings(max_examples=50)
@given(
    counts=st.dictionaries(VALUES, NUMBERS, min_size=1, max_size=5),
    buckets=st.lists(st.integers(0, 1000).map(float), min_size=4, max_size=4),
    total=NUMBERS,
    help_=VALUES,
    form=st.sampled_from([TEXT, OPENMETRICS]),
)
def test_a_parser_reads_back_what_was_counted(
    counts: dict[str, float],
    buckets: list[float],
    total: float,
    help_: str,
    form: bytes,
) -> None:
    counter = Family(
        name="a",
        kind="counter",
        help=help_,
        labels=("x",),
        series=tuple((value,) for value in counts),
    )
    gauge = Family(name="b", kind="gauge", help="")
    histogram = Family(
        name="c_seconds", kind="histogram", help="", unit="seconds", bounds=(0.1, 1.0, 10.0)
    )
    layout = Layout((counter, gauge, histogram))
    cells = [*counts.values(), total, *buckets, total]
    body = render(samples(layout, cells), form).decode()
    read = prometheus if form == TEXT else openmetrics
    parsed = {family.name: family for family in read(body)}
    shown = {value: count for value, count in counts.items() if count}
    assert (
        {s.labels["x"]: s.value for s in parsed["a"].samples} == shown
        if shown
        else ("a" not in parsed)
    )
    if shown:
        assert {s.name for s in parsed["a"].samples} == {"a_total"}
    assert [s.value for s in parsed["b"].samples] == [total]
    found = {(s.name, s.labels.get("le")): s.value for s in parsed["c_seconds"].samples}
    for bound, count in zip(_BOUNDS, accumulate(buckets), strict=True):
        assert found.pop(("c_seconds_bucket", bound)) == count
    assert found == {("c_seconds_sum", None): total, ("c_seconds_count", None): sum(buckets)}


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([*ROUTES, "made-up"]),
        st.sampled_from([*map(int, CODES), 418, 599]),
        TIMES,
        TIMES | st.none(),
        st.integers(0, 2),
    ),
    max_size=30,
)


@given(
    requests=REQUESTS, batches=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3000), TIMES))
)
def test_every_request_and_batch_is_counted_once(
    requests: list[tuple[str, int, float, float | None, int]],
    batches: list[tuple[int, int, float]],
) -> None:
    region = Region(LAYOUT, ["http-0", "http-1", "http-2"])
    rows = [region.enter(role) for role in region.roles]
    meters = [Meter(row.numbers) for row in rows]
    codes: Counter[tuple[str, str]] = Counter()
    for route, status, seconds, wait, worker in requests:
        one = call(route, 1.0, *((5.0, 5.0 + wait) if wait is not None else ()))
        meters[worker].finished(one, status, 1.0 + seconds)
        known = route if route in ROUTES else "other"
        codes[known, str(status) if status in CODES else "other"] += 1
    for number, size, seconds in batches:
        meters[0].batch(number, size, seconds)
    for row in rows:
        row.publish()
    found = page(region)
    assert {
        (dict(labels)["route"], dict(labels)["code"]): value
        for (name, labels), value in found.items()
        if name == "shipmark_requests_total"
    } == codes
    waits = [wait for _, _, _, wait, _ in requests if wait is not None]
    assert found["shipmark_queue_wait_seconds_count", ()] == len(waits)
    assert found["shipmark_queue_wait_seconds_sum", ()] == pytest.approx(sum(waits))
    for bound in ("0.01", "1.0"):
        within = sum((5.0 + wait) - 5.0 <= float(bound) for wait in waits)
        assert found["shipmark_queue_wait_seconds_bucket", (("le", bound),)] == within
    assert found["shipmark_batch_rows_sum", ()] == sum(rows for _, rows, _ in batches)
    assert found["shipmark_batch_rows_bucket", (("le", "32.0"),)] == sum(
        rows <= 32 for _, rows, _ in batches
    )
    assert found["shipmark_batched_requests_total", ()] == sum(n for n, _, _ in batches)
    assert found["shipmark_inference_seconds_count", ()] == len(batches)
    responses = [
        value for (name, _), value in found.items() if name == "shipmark_response_seconds_count"
    ]
    assert sum(responses) == len(requests)


def in_a_child(work: Callable[[], None], *, killed: bool = False) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            work()
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_processes_add_up_and_counters_outlive_the_one_that_was_killed() -> None:
    region = Region(LAYOUT, ["http-0", "http-1"])

    def serve(role: str) -> None:
        row = region.enter(role)
        meter = Meter(row.numbers)
        for _ in range(1000):
            meter.finished(call("predict"), 200, 1.5)
        meter.gauge(waiting=3, running=2)
        row.publish()

    in_a_child(lambda: serve("http-0"))
    in_a_child(lambda: serve("http-1"), killed=True)
    key = ("shipmark_requests_total", (("code", "200"), ("route", "predict")))
    found = page(region)
    assert found[key] == 2000
    assert found["shipmark_queue_depth", ()] == 6
    assert found["shipmark_requests_in_flight", ()] == 10
    in_a_child(lambda: region.enter("http-1").publish(), killed=True)
    assert page(region)["shipmark_queue_depth", ()] == 3, (
        "the gauges of a dead one are not its heir's"
    )
    in_a_child(lambda: serve("http-1"))
    assert page(region)[key] == 3000


def test_a_process_that_was_not_forked_finds_the_region_by_its_descriptor() -> None:
    region = Region(LAYOUT, ["http-0", "inference-0"])
    again = Region(LAYOUT, ["http-0", "inference-0"], descriptor=os.dup(region.descriptor))
    row = again.enter("inference-0")
    Meter(row.numbers).batch(1, 7, 0.1)
    assert page(region)["shipmark_batch_rows_sum", ()] == 0
    row.publish()
    assert page(region)["shipmark_batch_rows_sum", ()] == 7


def test_the_page_says_what_is_served_and_what_the_processes_use() -> None:
    region = Region(LAYOUT, ["http-0", "inference-0"])
    region.enter("http-0")
    in_a_child(lambda: region.enter("inference-0").publish())
    found = page(region)
    labels = {
        "name": "iris",
        "version": MODEL.version,
        "runtime": "onnx",
        "code_digest": "sha256:aa",
        "weights_digest": "",
    }
    assert found["shipmark_model_info", tuple(sorted(labels.items()))] == 1
    alive = (("process", "http-0"),)
    its = usage(os.getpid())
    assert its is not None
    assert found["shipmark_process_resident_memory_bytes", alive] == pytest.approx(
        its.resident_bytes, rel=0.2
    )
    assert found["shipmark_process_start_time_seconds", alive] == its.start_s
    assert 0 < found["shipmark_process_cpu_seconds_total", alive] <= its.cpu_s
    assert not [key for key in found if key[1] == (("process", "inference-0"),)], "it is dead"


def test_what_a_process_has_used_is_what_the_kernel_says() -> None:
    its = usage(os.getpid())
    assert its is not None
    times = os.times()
    assert its.cpu_s == pytest.approx(times.user + times.system, abs=0.05)
    assert abs(its.start_s - Path(f"/proc/{os.getpid()}").stat().st_ctime) < 5
    assert usage(2**22 + 1) is None


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", OPENMETRICS),
    ],
)
def test_the_page_is_in_the_format_that_was_asked_for(accept: str, form: bytes) -> None:
    region = Region(LAYOUT, ["http-0"])
    row = region.enter("http-0")
    Meter(row.numbers).finished(call("predict"), 200, 1.5)
    row.publish()
    answer = Page(MODEL, region).answer(accept)
    assert answer.media_type == form
    read = prometheus if form == TEXT else openmetrics
    names = [family.name for family in read(answer.body.decode())]
    assert len(names) == len(set(names))
    assert all(name.startswith("shipmark_") for name in names)


def test_labels_are_bounded() -> None:
    assert LAYOUT.size < 500
    assert exposition.media_type("text/html") == TEXT


def test_a_family_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="do not rise"):
        Family(name="x", kind="histogram", help="", bounds=(2.0, 1.0))
    with pytest.raises(ValueError, match="0 bounds"):
        Family(name="x", kind="histogram", help="")
    with pytest.raises(ValueError, match="twice"):
        Layout((families.BATCHED, families.BATCHED))


def test_a_sample_without_labels_is_shown_even_at_zero() -> None:
    body = render([Sample(families.QUEUE_DEPTH, (), (0.0,))], TEXT)
    assert b"\nshipmark_queue_depth 0.0\n" in body
