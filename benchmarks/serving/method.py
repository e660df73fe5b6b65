"""How it is measured, in the sentences that stand on the page."""

METHOD = tuple(
    " ".join(paragraph.split())
    for paragraph in """
Throughput by wrk with one thread, closed loop, on 16 and 64 connections that are kept; a second of
warm-up before. Latencies here are wrk's: they tell of this load, and not of callers who come at
random.

Every server is asked for one row a request, and its answer is compared with onnxruntime's own
before it is measured. onnxruntime has one thread within an operator everywhere.

In a round every server is started, measured and ended in turn. FastAPI is probed before and after
each, and the ratio is to the mean of the two. The order moves on from round to round.

Bare is onnxruntime in a loop on as many threads as there are cores, without a server: run just
after the last load of Shipmark, while that is idle.

Memory is the proportional set size of all processes of a server after the load; start is the time
until the first right answer.

Processor time a request: servers with guard and metrics, and the same without, side by side and
loaded in turn. Limits cannot be taken away, and are in both.

Overload: Poisson arrivals from `shipmark.measure` at twice the rate that a closed loop had just
reached; a service time is threads / capacity.

*Failed* beside a rate counts connections that failed, answers after more than 30 s, and answers of
another status than 2xx. Only answers of 2xx count for the rate.
""".strip().split("\n\n")
)
