"""Shows where models are put: by what they cost, unless it is set."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark_serve.placement import MAX_BATCH_SIZE, Cost, Placement, choose

MICRO = Cost(base_s=8e-6, row_s=0.2e-6)
CONV = Cost(base_s=0.2e-3, row_s=7e-3)
LAUNCH = Cost(base_s=5e-3, row_s=0.5e-3)


def chosen(cost: Cost | None, **given: Any) -> Placement:
    facts: dict[str, Any] = {
        "joins": True,
        "model_threads": None,
        "cpus": 4,
        "holds_lock": False,
        "threads": None,
        "processes": None,
        "max_batch_size": None,
    }
    return choose(cost=cost, **(facts | given))


def test_microseconds_run_on_the_loop_and_are_batched() -> None:
    placement = chosen(MICRO)
    assert (placement.threads, placement.processes) == (0, 0)
    assert placement.max_batch_size == MAX_BATCH_SIZE
    assert placement.max_loop_rows == pytest.approx(10_000, abs=1)


def test_milliseconds_run_in_threads_and_are_batched_where_it_helps() -> None:
    assert chosen(CONV) == Placement(threads=4, max_batch_size=1)
    assert chosen(LAUNCH) == Placement(threads=4, max_batch_size=MAX_BATCH_SIZE)


def test_only_what_any_thread_may_call_runs_on_the_loop() -> None:
    assert chosen(MICRO, model_threads=1).threads == 1


def test_what_holds_the_lock_for_long_runs_in_processes() -> None:
    assert chosen(CONV, model_threads=1, holds_lock=True).processes == 4
    assert chosen(MICRO, model_threads=1, holds_lock=True).processes == 0
    assert chosen(CONV, model_threads=1, holds_lock=True, cpus=1).processes == 0
    assert chosen(CONV, model_threads=1, holds_lock=True, processes=0).threads == 1
    assert chosen(CONV, model_threads=1, holds_lock=True, threads=2).threads == 2


def test_what_is_set_is_done() -> None:
    assert chosen(MICRO, threads=2).threads == 2
    assert chosen(CONV, threads=0).threads == 0
    assert chosen(CONV, max_batch_size=16).max_batch_size == 16
    assert chosen(MICRO, max_batch_size=1).max_batch_size == 1
    assert chosen(None, processes=3).processes == 3
    assert chosen(MICRO, joins=False, max_batch_size=16).max_batch_size == 1


def test_what_could_not_be_measured_runs_in_threads() -> None:
    assert chosen(None) == Placement(threads=4, max_batch_size=MAX_BATCH_SIZE)


@given(st.floats(1e-6, 1), st.floats(0, 1))
def test_the_line_goes_through_what_was_measured(base_s: float, row_s: float) -> None:
    cost = Cost.fitted(base_s + row_s, base_s + 8 * row_s)
    assert cost.of(1) == pytest.approx(base_s + row_s, abs=1e-9)
    assert cost.of(8) == pytest.approx(base_s + 8 * row_s, abs=1e-9)
    assert cost.gain >= 0.99
