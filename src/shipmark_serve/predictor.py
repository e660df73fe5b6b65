"""What a runtime makes of a model's files, and what the server needs to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shipmark_serve.contract.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where a model lies on disk; every path is absolute."""

    root: Path
    """The package's root."""
    entry: Path | None
    """The Python file that holds `init` and `predict`."""
    weights: Path | None
    """The weights file or directory."""
    deterministic: bool = False
    """Whether equal inputs must give equal bits, at the price of speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What a loaded model takes and gives, and how it may be called."""

    schema: Schema
    input_type: Any = Any
    """The type that a Json input is decoded to."""
    output_type: Any = Any
    """The type that a Json output must fit."""
    threads: int | None = 1
    """How many threads may be inside `predict` at once; None: as many as there are CPUs."""
    rows: bool = False
    """Whether axis 0 of every tensor counts independent rows, so that requests can be joined."""
    predict_batch: Callable[[list[Any]], list[Any]] | None = None
    """Answers several values at once, item i of the answer to item i; None: there is none."""
    pure: bool = False
    """Whether it can be called with made-up values: nothing but its answer comes of it."""


class Predictor(Protocol):
    """A loaded model."""

    @property
    def interface(self) -> Interface:
        """What it takes and gives; the same at every call."""

    def predict(self, value: Any) -> Any:
        """Answer one request.

        Args:
            value: By the schema's kind: str (Text), bytes (Binary), an `input_type` (Json), or
                a dict of numpy arrays by name (Tensors; BYTES is an object array of str).

        Returns:
            The same, by the kind of the schema's output.

        Raises:
            InvalidInput: The value fits the schema, and the model cannot take it all the same.
            PredictFailed: The model's answer does not fit the schema.
        """


Loader = Callable[[ModelFiles], Predictor]
"""A runtime is one function.

It raises LoadFailed where the files are not what it takes; whatever else it raises comes from
the model's own code.
"""
