"""Shows that every caller gets its own answer, whoever else asks, fails, hangs up or is late.

Each row is of one request alone, so that an answer which went astray is seen.
"""

import asyncio
import logging
import os
import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.serve.callers import Caller, Fault, House, answered, request

FAULTS: tuple[Fault, ...] = (
    "not json", "wrong shape", "poison", "short", "late", "unknown route"
)  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("shipmark_serve").setLevel(logging.CRITICAL)


async def chaos(
    random: Random, *, requests: int, threads: int, max_batch_size: int, max_wait_s: float = 0.0
) -> tuple[int, int]:
    """Send requests in any order, size and piece, with faults.

    Returns:
        How many were answered, and in how many batches.
    """
    house = House(threads=threads, max_batch_size=max_batch_size, max_wait_s=max_wait_s)
    callers: list[Caller] = [house.caller() for _ in range(8)]
    answers = number = 0
    while number < requests:
        index = random.randrange(len(callers))
        caller = callers[index]
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            fault = random.choice(FAULTS) if random.random() < 0.2 else ""
            caller.ask(*request(random, number, fault))
            number += 1
        if random.random() < 0.2:  # in pieces
            caller.send(random.randrange(1, 400))
        else:
            caller.send()
        assert not caller.closed  # none of these faults costs a connection
        if random.random() < 0.005:
            answers += caller.answered
            assert not caller.wrong, caller.wrong
            caller.hang_up()
            callers[index] = house.caller()
        if random.random() < 0.2:
            await asyncio.sleep(0)
        if random.random() < 0.02:
            await answered_so_far(callers)
    for caller in callers:
        caller.send()
    await answered(callers)
    for caller in callers:
        assert not caller.closed
        assert not caller.wrong, caller.wrong
    assert house.dispatcher.waiting == 0
    assert house.close()
    return answers + sum(caller.answered for caller in callers), house.model.batches


async def answered_so_far(callers: list[Caller]) -> None:
    """Let nobody get too far behind."""
    for caller in callers:
        caller.send()
    await answered(callers)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([1, 2, 8, 64]),
    st.sampled_from([0.0, 0.002]),
)
def test_interleavings_sizes_faults_and_hang_ups(
    seed: int, threads: int, max_batch_size: int, max_wait_s: float
) -> None:
    random = Random(seed)
    answers, _ = asyncio.run(
        chaos(
            random,
            requests=150,
            threads=threads,
            max_batch_size=max_batch_size,
            max_wait_s=max_wait_s,
        )
    )
    assert answers


def test_requests_of_one_turn_are_one_batch() -> None:
    async def scenario() -> int:
        house = House(threads=0, max_batch_size=64)
        callers = [house.caller() for _ in range(16)]
        random = Random(1)
        for number, caller in enumerate(callers):
            caller.ask(*request(random, number, ""))
            caller.send()
        await answered(callers)
        assert [caller.wrong for caller in callers] == [[]] * 16
        house.close()
        return house.model.batches

    assert asyncio.run(scenario()) == 1


@pytest.mark.parametrize("threads", [0, 2])
def test_many_requests_with_faults(threads: int) -> None:
    """SHIPMARK_TEST_REQUESTS=1000000 is the long form of this: `make million`."""
    requests = int(os.environ.get("SHIPMARK_TEST_REQUESTS", "20000"))
    began = time.monotonic()
    work = chaos(Random(7), requests=requests, threads=threads, max_batch_size=64)
    answers, batches = asyncio.run(work)
    print(f"{answers} answers in {batches} batches, {time.monotonic() - began:.1f} s")
    assert answers > requests * 0.9
