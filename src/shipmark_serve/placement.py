"""Where a model should run and whether requests should be joined: chosen by what it costs. Pure."""

from dataclasses import dataclass

MICROSECONDS = 200e-6
"""A model that takes less is run on the event loop: to hand it to a thread would cost as much."""
SLOW_S = 2e-3
"""A model that takes longer and holds the lock is run in processes, one for each CPU."""
TURN_S = 2e-3
"""How long one request may keep the event loop."""
WORTH = 1.5
"""Batching is worth it where eight rows together take this many times less than one by one."""
MAX_BATCH_SIZE = 64
"""Where nothing else is set."""
_PROBE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds for n rows, as measured: t(n) = base_s + row_s n."""

    base_s: float
    row_s: float

    @staticmethod
    def fitted(one_s: float, eight_s: float) -> "Cost":
        """The line through t(1) and t(8)."""
        row_s = max(eight_s - one_s, 0.0) / (_PROBE - 1)
        return Cost(base_s=max(one_s - row_s, 0.0), row_s=row_s)

    def of(self, rows: int) -> float:
        """t(rows)."""
        return self.base_s + self.row_s * rows

    @property
    def gain(self) -> float:
        """How many times faster eight rows are together than one by one."""
        return _PROBE * self.of(1) / max(self.of(_PROBE), 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What was chosen."""

    threads: int
    """Inference threads; 0: the event loop itself, or processes."""
    processes: int = 0
    """Inference processes."""
    max_batch_size: int
    """1: no batching."""
    max_loop_rows: int = 0
    """On the event loop: a request of more rows goes to a thread."""


def choose(
    *,
    cost: Cost | None,
    joins: bool,
    model_threads: int | None,
    cpus: int,
    holds_lock: bool,
    threads: int | None,
    processes: int | None,
    max_batch_size: int | None,
) -> Placement:
    """Choose, unless it is set.

    Args:
        cost: None where it could not be measured.
        joins: Whether the model can answer several requests at once.
        model_threads: How many threads may be inside it at once; None: as many as there are CPUs.
        cpus: How many there are.
        holds_lock: Whether it keeps other threads of its process from running.
        threads: The setting; None: choose.
        processes: The setting; None: choose.
        max_batch_size: The setting; None: choose.
    """
    # Only what may be called by any thread may be called by the loop's.
    quick = model_threads is None and cost is not None and cost.of(1) < MICROSECONDS
    if processes is None:
        slow = cost is not None and cost.of(1) >= SLOW_S
        processes = cpus if holds_lock and slow and threads is None and cpus > 1 else 0
    if processes:
        threads = 0
    elif threads is None:
        threads = 0 if quick else model_threads or cpus
    if not joins:
        max_batch_size = 1
    elif max_batch_size is None:
        # Without a measure: an author who wrote predict_batch wants it used.
        worth = cost is None or cost.gain >= WORTH
        max_batch_size = MAX_BATCH_SIZE if worth else 1
    max_loop_rows = 0
    if threads == 0 and not processes:
        row_s = cost.row_s if cost is not None else 0.0
        max_loop_rows = max(max_batch_size, int(TURN_S / max(row_s, 1e-7)))
    return Placement(
        threads=threads,
        processes=processes,
        max_batch_size=max_batch_size,
        max_loop_rows=max_loop_rows,
    )
