"""When requests are due: made before the first is sent, from a seed. Pure."""

import math
import random
from array import array
from typing import Literal

Kind = Literal["poisson", "constant"]


def schedule(kind: Kind, *, rate_per_s: float, duration_s: float, seed: int) -> "array[float]":
    """Arrival times, ascending, from 0 up to `duration_s`.

    Poisson arrivals are those of callers who know nothing of one another; how many there are is
    random too. The same seed gives the same times on every machine and Python.

    Args:
        kind: Exponential or equal times between arrivals.
        rate_per_s: The mean rate.
        duration_s: Where the schedule ends.
        seed: What the times follow from.
    """
    if kind == "constant":
        count = math.ceil(rate_per_s * duration_s)
        return array("d", (number / rate_per_s for number in range(count)))
    # Of a seeded Random only random() is promised to stay the same in later Pythons.
    uniform = random.Random(seed).random  # noqa: S311 - for load, not for secrets
    times = array("d")
    at_s = -math.log(1 - uniform()) / rate_per_s
    while at_s < duration_s:
        times.append(at_s)
        at_s -= math.log(1 - uniform()) / rate_per_s
    return times


def share(times: "array[float]", *, index: int, count: int) -> "array[float]":
    """The arrivals that fall to one of `count` processes; together they are the schedule."""
    return times[index::count]
