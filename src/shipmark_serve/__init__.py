"""The data plane: what runs inside every image."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipmark_serve.contract.tensor import Tensor

__all__ = ["Tensor", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # The watchdog is one of the package's modules and lives as long as the container:
    # importing it must not load what only models and the server need.
    if name == "Tensor":
        from shipmark_serve.contract.tensor import Tensor  # noqa: PLC0415 - see above

        return Tensor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
