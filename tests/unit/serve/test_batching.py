"""Shows that batching keeps order, loses and doubles nothing, and never runs what is too late."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shipmark_serve.batching import Queue, group


@dataclass(eq=False)
class Request:
    number: int
    rows: int = 1
    key: object = None
    queued: float = 0.0
    deadline: float = 100.0
    gone: bool = False


requests = st.lists(
    st.builds(
        Request,
        number=st.integers(),
        rows=st.integers(0, 9),
        key=st.sampled_from("ab"),
        deadline=st.sampled_from([0.5, 100.0]),
        gone=st.booleans(),
    ),
    max_size=30,
)


def queue(items: list[Request], most: int, wait_s: float = 0.0) -> Queue[Request]:
    made: Queue[Request] = Queue(max_batch_size=most, max_wait_s=wait_s)
    made.waiting.extend(items)
    return made


def drained(waiting: Queue[Request], now: float) -> tuple[list[list[Request]], list[Request]]:
    batches: list[list[Request]] = []
    late: list[Request] = []
    while batch := waiting.take(now, late):
        batches.append(batch)
    return batches, late


@given(requests, st.integers(1, 12))
def test_all_who_wait_are_taken_once_and_in_order(items: list[Request], most: int) -> None:
    batches, late = drained(queue(items, most), 1.0)
    taken = [request for batch in batches for request in batch]
    assert taken == [r for r in items if not r.gone and r.deadline > 1.0]
    assert late == [r for r in items if not r.gone and r.deadline <= 1.0]


@given(requests, st.integers(1, 12))
def test_batches_are_of_one_key_and_bounded_in_rows(items: list[Request], most: int) -> None:
    batches, _ = drained(queue(items, most), 1.0)
    for batch in batches:
        assert len({request.key for request in batch}) == 1
        assert len(batch) == 1 or sum(request.rows for request in batch) <= most
        assert most > 1 or len(batch) == 1


@given(requests, st.integers(2, 12))
def test_batches_are_as_large_as_they_may_be(items: list[Request], most: int) -> None:
    batches, _ = drained(queue(items, most), 1.0)
    for batch, after in pairwise(batches):
        full = sum(request.rows for request in batch) + after[0].rows > most
        assert full or after[0].key != batch[0].key


@given(st.data())
def test_interleaved_with_arrivals_and_hang_ups(data: st.DataObject) -> None:
    """What is taken is what came, without those who left before, whatever the order of events."""
    waiting = queue([], data.draw(st.integers(1, 8)))
    came: list[Request] = []
    taken: list[Request] = []
    late: list[Request] = []
    now = 0.0
    for event in data.draw(st.lists(st.sampled_from(["come", "leave", "take", "wait"]))):
        if event == "come":
            request = Request(
                len(came),
                data.draw(st.integers(1, 4)),
                data.draw(st.sampled_from("ab")),
                now,
                now + data.draw(st.sampled_from([0.5, 10.0])),
            )
            came.append(request)
            waiting.waiting.append(request)
        elif event == "leave" and came:
            data.draw(st.sampled_from(came)).gone = True
        elif event == "take":
            batch = waiting.take(now, late)
            assert not any(request.gone or request.deadline <= now for request in batch)
            taken += batch
        else:
            now += 0.3
    while batch := waiting.take(now, late):
        taken += batch
    numbers = [request.number for request in taken]
    assert numbers == sorted(set(numbers))
    missing = {request.number for request in came} - set(numbers)
    assert {r.number for r in late} <= missing
    assert all(came[number].gone or came[number] in late for number in missing)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.floats(0, 2))
def test_an_unfilled_batch_waits_no_longer_than_it_may(rows: list[int], now: float) -> None:
    waiting = queue([Request(n, count) for n, count in enumerate(rows)], 8, wait_s=1.0)
    batch = waiting.take(now, [])
    assert bool(batch) == (now >= 1.0 or sum(rows) >= 8)
    if not batch:
        assert waiting.due() == 1.0


def test_a_request_that_is_larger_than_a_batch_is_run_alone() -> None:
    batches, _ = drained(queue([Request(1, 3), Request(2, 99), Request(3, 3)], 8), 1.0)
    assert [[request.number for request in batch] for batch in batches] == [[1], [2], [3]]


@given(requests, st.integers(1, 12))
def test_what_came_together_is_grouped_in_order(items: list[Request], most: int) -> None:
    groups = group(items, most)
    assert [request for batch in groups for request in batch] == items
    for batch in groups:
        assert len({request.key for request in batch}) == 1
        assert len(batch) == 1 or sum(request.rows for request in batch) <= most
