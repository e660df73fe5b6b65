"""A scikit-learn estimator with `predict`, from a `.joblib` or `.skops` file."""

import warnings
from typing import Any

import numpy
from sklearn.base import is_classifier, is_regressor

from shipmark_serve.contract.errors import LoadFailed
from shipmark_serve.contract.schema import Schema, Tensors, TensorSpec
from shipmark_serve.contract.tensor import DTYPE_OF_DATATYPE
from shipmark_serve.predictor import Interface, Loader, ModelFiles, Predictor

Array = numpy.ndarray[Any, Any]

FEATURES = "features"
LABEL = "label"
PROBABILITIES = "probabilities"
PREDICTION = "prediction"


def load(files: ModelFiles) -> Predictor:
    """Read the estimator; a `.skops` file only where it holds no types but known ones."""
    if files.weights is None:
        raise LoadFailed("the runtime sklearn needs a weights file", hint="set [weights] path")
    if files.weights.suffix == ".skops":
        estimator = _load_skops(files)
    elif files.weights.suffix == ".joblib":
        import joblib  # noqa: PLC0415 - a .skops model does not need it by itself

        estimator = joblib.load(files.weights)
    else:
        raise LoadFailed(
            f"the runtime sklearn cannot read {files.weights.name}",
            hint="save the estimator with joblib.dump or skops.io.dump, as .joblib or .skops",
        )
    return SklearnPredictor(estimator)


def _load_skops(files: ModelFiles) -> Any:
    import skops.io  # noqa: PLC0415 - a .joblib model does not need it

    untrusted = skops.io.get_untrusted_types(file=files.weights)
    if untrusted:
        raise LoadFailed(
            f"{files.weights} holds types that are not known to be safe: {', '.join(untrusted)}",
            hint="leave them out of the estimator, or serve it with a model.py of your own",
        )
    return skops.io.load(files.weights, trusted=[])


class SklearnPredictor:
    """An estimator: `features` in; `label` and `probabilities`, or `prediction`, out."""

    def __init__(self, estimator: Any) -> None:
        kind = type(estimator).__name__
        features = getattr(estimator, "n_features_in_", None)
        if not hasattr(estimator, "predict") or features is None:
            lacks = "predict" if not hasattr(estimator, "predict") else "n_features_in_"
            raise LoadFailed(
                f"the {kind} has no {lacks}, so that it cannot be served as numbers in, answer out",
                hint="fit it on an array of numbers, or serve it with a model.py of your own",
            )
        # Fitted on a table and called with an array of the same columns: meant, not a mistake.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        self._estimator = estimator
        self._proba = None
        if is_classifier(estimator) and not isinstance(estimator.classes_, list):
            classes = numpy.asarray(estimator.classes_)
            outputs = [TensorSpec(name=LABEL, datatype=_datatype(classes), shape=(-1,))]
            # Some have the method only under some settings, as SVC(probability=...).
            self._proba = getattr(estimator, "predict_proba", None)
            if self._proba is not None:
                shape = (-1, len(classes))
                outputs.append(TensorSpec(name=PROBABILITIES, datatype="FP64", shape=shape))
        else:
            outputs = [_probed(estimator, features)]
        self._outputs = tuple(outputs)
        given = TensorSpec(name=FEATURES, datatype="FP64", shape=(-1, features))
        self.interface = Interface(
            schema=Schema(input=Tensors(tensors=(given,)), output=Tensors(tensors=self._outputs)),
            rows=True,
            pure=True,
        )

    def predict(self, value: dict[str, Array]) -> dict[str, Array]:
        """Predict, with probabilities where the estimator has them; no rows, no answers."""
        features = value[FEATURES]
        if not len(features):
            return {
                spec.name: numpy.empty((0, *spec.shape[1:]), _dtype(spec)) for spec in self._outputs
            }
        answers = [self._estimator.predict(features)]
        if self._proba is not None:
            answers.append(self._proba(features))
        return {
            spec.name: numpy.asarray(answer).astype(_dtype(spec), copy=False)
            for spec, answer in zip(self._outputs, answers, strict=True)
        }


def _probed(estimator: Any, features: int) -> TensorSpec:
    """The output of an estimator whose attributes do not tell its form: one row is tried."""
    answer = numpy.asarray(estimator.predict(numpy.ones((1, features))))
    return TensorSpec(
        name=LABEL if is_classifier(estimator) else PREDICTION,
        datatype="FP64" if is_regressor(estimator) else _datatype(answer),
        shape=(-1, *answer.shape[1:]),
    )


def _datatype(values: Array) -> str:
    """The widest datatype of the kind of `values`, so that every label fits."""
    return {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64"}.get(values.dtype.kind, "BYTES")


def _dtype(spec: TensorSpec) -> str:
    return "object" if spec.datatype == "BYTES" else DTYPE_OF_DATATYPE[spec.datatype]


_: Loader = load
