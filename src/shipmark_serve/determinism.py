"""Equal bits for equal requests: what can be fixed from outside of a model.

What cannot: Python's hashes of strings, and so the order of a set (`PYTHONHASHSEED` must be set
before the start); generators that a model seeds by itself; threads that its own code starts.
"""

import random
import sys
from collections.abc import MutableMapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from shipmark_serve.predictor import Interface, Predictor

_SEED = 0
_ONE_THREAD = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"
)  # fmt: skip
"""Read by numerical libraries when they are loaded: a sum over threads has no fixed order."""


def one_thread(environ: MutableMapping[str, str]) -> None:
    """Have numerical libraries that are loaded from now on use one thread."""
    environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # else cuBLAS is not deterministic


def seed() -> None:
    """Seed the generators that are shared by all of a process."""
    random.seed(_SEED)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(_SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(_SEED)


def prepare() -> None:
    """Fix what can be fixed before a model is loaded."""
    for library in ("numpy", "torch"):
        if find_spec(library) is not None:
            __import__(library)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
    seed()


class Deterministic:
    """A predictor whose every call begins with the same seeds, on one thread.

    Requests are never joined: kernels sum in another order where a batch has another size, so
    that an answer would depend on who else asks.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.interface: Interface = replace(
            predictor.interface, threads=1, rows=False, predict_batch=None
        )
        self._predict = predictor.predict

    def predict(self, value: Any) -> Any:
        """Answer one request."""
        seed()
        return self._predict(value)


_: type[Predictor] = Deterministic
