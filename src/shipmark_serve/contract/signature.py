"""How the annotations of `predict` become a schema; shared by those who read and who run it.

====================================  ==========================================
annotation                            schema
====================================  ==========================================
none, `str`                           Text
`bytes`                               Binary
`Annotated[ndarray, Tensor(...)]`     Tensors, `single`, under the names below
any other type                        Json
====================================  ==========================================
"""

from shipmark_serve.contract.schema import Tensors
from shipmark_serve.contract.tensor import Tensor

INIT = "init"
PREDICT = "predict"
PREDICT_BATCH = "predict_batch"
"""Takes a list of what `predict` takes, and answers a list; item i belongs to item i."""

OUTPUT_NAME = "output"
"""Name of the array that `predict` returns."""


def input_tensor(parameter: str, tensor: Tensor) -> Tensors:
    """The schema of an array parameter: it is called as the parameter is."""
    return Tensors(tensors=(tensor.spec(parameter),), single=True)


def output_tensor(tensor: Tensor) -> Tensors:
    """The schema of a returned array."""
    return Tensors(tensors=(tensor.spec(OUTPUT_NAME),), single=True)
