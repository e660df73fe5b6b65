"""Train a small neural network on scikit-learn's bundled digits and export it to ONNX.

Writes the model, its golden records, its validation set and one request beside this file:

    uv run python examples/digits/train.py
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 2026
PIXELS = 64
"""8 x 8 pixels of 0 (white) to 16 (black), row by row."""
HELD_OUT = 360

Batch = NDArray[np.float32]
Answer = dict[str, list[object]]


def split() -> tuple[Batch, Batch, NDArray[np.int64], NDArray[np.int64]]:
    """Training images, held-out images, training labels, held-out labels."""
    images, labels = load_digits(return_X_y=True)
    seen, unseen, seen_labels, unseen_labels = train_test_split(
        images.astype(np.float32), labels, test_size=HELD_OUT, stratify=labels, random_state=SEED
    )
    return seen, unseen, seen_labels, unseen_labels


def train(images: Batch, labels: NDArray[np.int64]) -> Pipeline:
    """Fit the network; the same seed gives the same weights."""
    network = MLPClassifier(hidden_layer_sizes=(128,), max_iter=300, random_state=SEED)
    return make_pipeline(StandardScaler(), network).fit(images, labels)


def export(model: Pipeline) -> bytes:
    """The model as ONNX: `image` in, `label` and `probabilities` out."""
    content: bytes = convert_sklearn(
        model,
        name="digits",
        initial_types=[("image", FloatTensorType([None, PIXELS]))],
        options={"zipmap": False},
        target_opset=17,
    ).SerializeToString()
    return content


def answer(session: onnxruntime.InferenceSession, images: Batch) -> Answer:
    """What the exported model says: output name to nested list."""
    names = [output.name for output in session.get_outputs()]
    return {
        name: value.tolist()
        for name, value in zip(names, session.run(names, {"image": images}), strict=True)
    }


def pixels(image: Batch) -> dict[str, list[list[int]]]:
    """One image as a request; whole numbers, as the data set has them."""
    return {"image": [image.astype(int).tolist()]}


def chosen(labels: Sequence[int]) -> Iterable[tuple[int, int]]:
    """The first held-out image of each digit: (digit, its index)."""
    for digit in range(10):
        yield digit, labels.index(digit)


def write(path: Path, content: bytes) -> None:
    """Write beside, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def lines(records: Iterable[dict[str, object]]) -> bytes:
    """A JSON list with one record a line, so that a diff can be read."""
    return ("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n").encode()


def main() -> None:
    """Train, export, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write")
    out: Path = parser.parse_args().out

    seen, unseen, seen_labels, unseen_labels = split()
    content = export(train(seen, seen_labels))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    accuracy = accuracy_score(unseen_labels, answer(session, unseen)["label"])
    print(f"{len(seen)} images learned, {len(unseen)} held out: accuracy {accuracy:.4f}")

    held_out = unseen_labels.tolist()
    write(out / "digits.onnx", content)
    write(
        out / "golden" / "digits.json",
        lines(
            {
                "name": f"a handwritten {digit}",
                "input": pixels(unseen[index]),
                "output": answer(session, unseen[index : index + 1]),
            }
            for digit, index in chosen(held_out)
        ),
    )
    write(
        out / "data" / "validation.json",
        lines(
            {"input": pixels(image), "output": {"label": [label]}}
            for image, label in zip(unseen, held_out, strict=True)
        ),
    )
    seven = held_out.index(7)
    write(out / "request.json", json.dumps(pixels(unseen[seven])).encode() + b"\n")


if __name__ == "__main__":
    main()
