"""Train the sentiment model on the sentences of `data/reviews.tsv`.

Writes the weights and the golden records beside this file:

    uv run python examples/sentiment/train.py
"""

import argparse
import csv
import json
from pathlib import Path

import model as example
import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

HERE = Path(__file__).parent
GOLDEN = {
    "plain praise": "The staff were friendly and the food was excellent.",
    "plain blame": "The room was dirty and the shower was broken.",
    "a negated good": "This is not good.",
    "a negated bad": "Not bad at all!",
    "unicode": "The crème brûlée in that café was delicious 😍 — “très bon” indeed.",
    "no word it knows": "Ελλάδα 你好",
    "no text": "",
}


def write(path: Path, content: bytes) -> None:
    """Write beside, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def main() -> None:
    """Read, measure, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="where to write")
    out: Path = parser.parse_args().out

    with (HERE / "data" / "reviews.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = [row["label"] for row in rows]
    pairs = [row["pair"] for row in rows]

    # No intercept: a text of unknown words is as likely positive as negative.
    classifier = LogisticRegression(C=3, fit_intercept=False, tol=1e-8, max_iter=1000)
    names = DictVectorizer()
    pipeline = make_pipeline(names, classifier)
    # Most sentences have a twin of the other label. The two are held out together: a word that only
    # they share would else count against the one held out.
    folds = [GroupKFold(10, shuffle=True, random_state=seed) for seed in range(5)]
    found = [example.features(row["text"]) for row in rows]
    scores = [cross_val_score(pipeline, found, labels, groups=pairs, cv=fold) for fold in folds]
    accuracy = np.mean(scores)
    print(f"{len(rows)} sentences, 10-fold cross-validation five times: accuracy {accuracy:.4f}")

    pipeline.fit(found, labels)
    learned = zip(names.get_feature_names_out(), classifier.coef_[0].tolist(), strict=True)
    weights = {name: round(weight, 6) for name, weight in learned}
    content = json.dumps(weights, ensure_ascii=False, indent=0) + "\n"
    write(out / "weights" / "model.json", content.encode())

    example.weights.update(weights)
    lines = ",\n".join(
        json.dumps(
            {"name": name, "input": text, "output": example.predict(text)}, ensure_ascii=False
        )
        for name, text in GOLDEN.items()
    )
    write(out / "golden" / "sentiment.json", f"[\n{lines}\n]\n".encode())


if __name__ == "__main__":
    main()
