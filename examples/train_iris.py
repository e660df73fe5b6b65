"""Train a logistic regression on scikit-learn's bundled iris flowers and export it to ONNX.

Writes `iris.onnx`, a package of one file, and `iris.golden.json` beside this file:

    uv run python examples/train_iris.py
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 2026
HELD_OUT = 30


def write(path: Path, content: bytes) -> None:
    """Write beside, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def main() -> None:
    """Train, measure, export, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write")
    out: Path = parser.parse_args().out

    # Sepal length and width, petal length and width, in cm; 0 setosa, 1 versicolor, 2 virginica.
    flowers, species = load_iris(return_X_y=True)
    seen, unseen, seen_species, unseen_species = train_test_split(
        flowers.astype(np.float32), species, test_size=HELD_OUT, stratify=species, random_state=SEED
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8)).fit(seen, seen_species)
    accuracy = model.score(unseen, unseen_species)
    print(f"{len(seen)} flowers learned, {len(unseen)} held out: accuracy {accuracy:.4f}")

    content: bytes = convert_sklearn(
        model,
        name="iris",
        initial_types=[("features", FloatTensorType([None, flowers.shape[1]]))],
        options={"zipmap": False},
        target_opset=17,
    ).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    # The first held-out flower of each species that is told rightly: alone, and all in one batch.
    told = np.where(model.predict(unseen) == unseen_species, unseen_species, -1).tolist()
    rows = [told.index(kind) for kind in range(3)]
    batches = {
        "a setosa": rows[:1],
        "a versicolor": rows[1:2],
        "a virginica": rows[2:],
        "three in one batch": rows,
    }
    records = []
    for title, batch in batches.items():
        outputs = session.run(names, {"features": unseen[batch]})
        records.append(
            {
                "name": title,
                # Rounded back to the tenths of a centimetre that were measured.
                "input": {"features": unseen[batch].astype(float).round(1).tolist()},
                "output": {
                    name: value.tolist() for name, value in zip(names, outputs, strict=True)
                },
            }
        )
    write(out / "iris.onnx", content)
    lines = ",\n".join(json.dumps(record) for record in records)
    write(out / "iris.golden.json", f"[\n{lines}\n]\n".encode())


if __name__ == "__main__":
    main()
