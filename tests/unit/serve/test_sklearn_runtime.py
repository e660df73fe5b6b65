"""Shows what each kind of scikit-learn estimator is served as."""

from collections.abc import Callable
from typing import Any

import joblib
import numpy
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from shipmark_serve.contract.arrays import checked
from shipmark_serve.contract.errors import LoadFailed
from shipmark_serve.contract.schema import Tensors
from shipmark_serve.predictor import ModelFiles, Predictor
from shipmark_serve.runtimes.sklearn import load

Files = Callable[[str], ModelFiles]
POINTS = numpy.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])


def served(files: Files, estimator: Any) -> Predictor:
    model = files("model.joblib")
    joblib.dump(estimator, model.weights)
    return load(model)


def outputs(predictor: Predictor) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The schema of the outputs, after a look at whether answers fit it."""
    schema = predictor.interface.schema
    assert isinstance(schema.output, Tensors)
    for rows in (POINTS, POINTS[:0]):
        answers = predictor.predict({"features": rows})
        for spec in schema.output.tensors:
            assert len(checked(answers[spec.name], spec)) == len(rows)
    return {spec.name: (spec.datatype, spec.shape) for spec in schema.output.tensors}


@pytest.mark.parametrize(
    ("classes", "datatype"),
    [
        ([0, 1, 2, 2], "INT64"),
        (["a", "b", "c", "c"], "BYTES"),
        (numpy.array(["a", "b", "c", "c"], dtype=object), "BYTES"),
        ([0.0, 1.0, 2.0, 2.0], "FP64"),
        (numpy.array([0, 1, 2, 2], "uint8"), "INT64"),
    ],
)
def test_classifiers(files: Files, classes: Any, datatype: str) -> None:
    predictor = served(
        files, make_pipeline(StandardScaler(), LogisticRegression()).fit(POINTS, classes)
    )
    assert outputs(predictor) == {"label": (datatype, (-1,)), "probabilities": ("FP64", (-1, 3))}
    assert predictor.interface.rows


def test_a_classifier_of_booleans_without_probabilities(files: Files) -> None:
    predictor = served(files, SVC().fit(POINTS, [True, False, False, True]))
    assert outputs(predictor) == {"label": ("BOOL", (-1,))}


def test_a_classifier_of_several_labels(files: Files) -> None:
    labels = [[0, 1], [1, 1], [1, 0], [0, 0]]
    predictor = served(files, RandomForestClassifier(3, random_state=0).fit(POINTS, labels))
    assert outputs(predictor) == {"label": ("INT64", (-1, 2))}


def test_regressors_and_clusters(files: Files) -> None:
    one = served(files, LinearRegression().fit(POINTS, [0.0, 1.0, 2.0, 3.0]))
    assert outputs(one) == {"prediction": ("FP64", (-1,))}
    several = served(files, LinearRegression().fit(POINTS, POINTS))
    assert outputs(several) == {"prediction": ("FP64", (-1, 2))}
    clusters = served(files, KMeans(2, n_init=1, random_state=0).fit(POINTS))
    assert outputs(clusters) == {"prediction": ("INT64", (-1,))}


def test_what_has_nothing_to_predict_is_refused(files: Files) -> None:
    with pytest.raises(LoadFailed, match="the StandardScaler has no predict"):
        served(files, StandardScaler().fit(POINTS))
    with pytest.raises(LoadFailed, match="the LinearRegression has no n_features_in_"):
        served(files, LinearRegression())


def test_another_kind_of_file_is_refused(files: Files) -> None:
    with pytest.raises(LoadFailed, match=r"cannot read model\.pkl"):
        load(files("model.pkl"))
