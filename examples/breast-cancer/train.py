"""Train a scikit-learn pipeline on its bundled Wisconsin breast cancer data and save it by joblib.

Writes the model, its golden records and one request beside this file:

    uv run python examples/breast-cancer/train.py
"""

import argparse
import io
import json
from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 2026
HELD_OUT = 114


def write(path: Path, content: bytes) -> None:
    """Write beside, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def main() -> None:
    """Train, measure, save, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write")
    out: Path = parser.parse_args().out

    tumours = load_breast_cancer()
    names = tumours.target_names[tumours.target]  # `malignant` or `benign`
    seen, unseen, seen_names, unseen_names = train_test_split(
        tumours.data, names, test_size=HELD_OUT, stratify=names, random_state=SEED
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=1000))
    model.fit(seen, seen_names)
    predicted = model.predict(unseen)
    accuracy = accuracy_score(unseen_names, predicted)
    recall = recall_score(unseen_names, predicted, pos_label="malignant")
    print(
        f"{len(seen)} tumours learned, {len(unseen)} held out: "
        f"accuracy {accuracy:.4f}, malignant ones found {recall:.4f}"
    )

    # The first held-out tumour of each kind: alone, and both in one batch.
    malignant, benign = (unseen_names.tolist().index(name) for name in ("malignant", "benign"))
    batches = {
        "a malignant tumour": [malignant],
        "a benign tumour": [benign],
        "both in one batch": [malignant, benign],
    }
    records = [
        {
            "name": title,
            "input": {"features": unseen[batch].tolist()},
            "output": {
                "label": model.predict(unseen[batch]).tolist(),
                "probabilities": model.predict_proba(unseen[batch]).tolist(),
            },
        }
        for title, batch in batches.items()
    ]
    content = io.BytesIO()
    joblib.dump(model, content)
    write(out / "breast-cancer.joblib", content.getvalue())
    lines = ",\n".join(json.dumps(record) for record in records)
    write(out / "golden" / "breast-cancer.json", f"[\n{lines}\n]\n".encode())
    write(out / "request.json", json.dumps(records[0]["input"]).encode() + b"\n")


if __name__ == "__main__":
    main()
