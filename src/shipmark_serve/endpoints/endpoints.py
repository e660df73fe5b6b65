"""Every way of asking a model, by path."""

from collections.abc import Mapping
from dataclasses import dataclass

from shipmark_serve.call import Endpoint
from shipmark_serve.contract.model import Model
from shipmark_serve.contract.v2.messages import ModelMetadata
from shipmark_serve.endpoints.predict import Predict
from shipmark_serve.endpoints.v2.infer import Infer
from shipmark_serve.predictor import Interface


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Those of one model."""

    by_path: Mapping[str, Endpoint]
    metadata: ModelMetadata
    """As v2 describes the model."""


def endpoints_of(model: Model, interface: Interface) -> Endpoints:
    """Prepare the endpoints of a model."""
    infer = Infer(model, interface)
    name = f"/v2/models/{model.name}"
    return Endpoints(
        {
            "/predict": Predict(interface),
            f"{name}/infer": infer,
            f"{name}/versions/{model.version}/infer": infer,
        },
        infer.metadata,
    )
