"""What is done side by side comes in order, ends at the first failure, and leaves who hangs."""

import threading
import time

import pytest

from shipmark.lock.side_by_side import Cancelled, each


def test_answers_come_in_the_order_of_the_items() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number * number

    assert each(slow_first, range(20), at_once=4, cancelled=threading.Event()) == [
        number * number for number in range(20)
    ]


def test_nothing_is_nothing() -> None:
    assert each(str, [], at_once=4, cancelled=threading.Event()) == []


def test_no_more_than_so_many_at_once() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def counted(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    each(counted, range(20), at_once=3, cancelled=threading.Event())
    assert most == 3


def test_a_failure_begins_no_more_and_waits_for_none_that_hangs() -> None:
    begun: list[int] = []
    never = threading.Event()
    cancelled = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            never.wait(30)
        raise KeyError(number)

    started = time.monotonic()
    with pytest.raises(KeyError):
        each(work, range(100), at_once=2, cancelled=cancelled)
    assert time.monotonic() - started < 5
    assert cancelled.is_set()
    assert len(begun) <= 3
    never.set()


def test_where_all_is_cancelled_already_nothing_is_begun() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        each(pytest.fail, ["begun"], at_once=2, cancelled=cancelled)


def test_the_failure_is_told_and_not_what_was_given_up_because_of_it() -> None:
    cancelled = threading.Event()

    def nested(number: int) -> int:
        if number:
            cancelled.wait(10)
            raise Cancelled
        return sum(each(fail, [0], at_once=1, cancelled=cancelled))

    def fail(number: int) -> int:
        cancelled.set()
        time.sleep(0.1)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        each(nested, [0, 1], at_once=2, cancelled=cancelled)
