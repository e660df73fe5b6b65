"""The model run in a loop on some threads, without a server; a program that prints the rate."""

import sys
import threading
import time

import numpy as np
import onnxruntime


def main(path: str, threads: int, seconds: float, *shape: int) -> None:
    """Run `path` on one row for so long."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    row = np.full((1, *shape), 0.5, dtype=np.float32)
    session.run(None, {"x": row})
    counts = [0] * threads
    until = time.monotonic() + seconds

    def work(number: int) -> None:
        while time.monotonic() < until:
            session.run(None, {"x": row})
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    begun = time.monotonic()
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    print(sum(counts) / (time.monotonic() - begun))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *map(int, sys.argv[4:]))
