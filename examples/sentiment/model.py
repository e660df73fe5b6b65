"""Tell whether a short English text is positive or negative.

A logistic regression over the words of the text, in plain Python: nothing to install.
"""

import json
import math
import os
import re
import unicodedata
from pathlib import Path

STOPS = ".,;:!?"
WORD_OR_STOP = re.compile(rf"[^\W_]+(?:'[^\W_]+)*|[{STOPS}]")
APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"
NEGATIONS = {"cannot", "never", "no", "nobody", "not", "nothing", "without"}
REACH = 3
"""A negation turns this many words after it, up to the next comma or stop."""

weights: dict[str, float] = {}


def features(text: str) -> dict[str, float]:
    """The words of a text, 1 each.

    A negated word is a word of its own, and half the contrary of the plain one:
    `not good` is {"not": 1, "not good": 1, "good": -0.5}.
    """
    found: dict[str, float] = {}
    reach = 0
    plain = unicodedata.normalize("NFKC", text).replace(APOSTROPHE, "'").lower()
    for word in WORD_OR_STOP.findall(plain):
        if word in STOPS:
            reach = 0
        elif word in NEGATIONS or word.endswith("n't"):
            found[word] = 1.0
            reach = REACH
        elif reach:
            found[f"not {word}"] = 1.0
            found[word] = -0.5
            reach -= 1
        else:
            found[word] = 1.0
    return found


def init() -> None:
    """Load the weights: of MODEL_PATH (a file, or a folder that holds it), or beside this file."""
    place = os.environ.get("MODEL_PATH")  # noqa: TID251 - how a server says where the weights are
    path = Path(place) if place else Path(__file__).parent / "weights"
    weights.update(json.loads((path / "model.json" if path.is_dir() else path).read_text("utf-8")))


def predict(text: str) -> str:
    """Answer with the label and how sure it is of it, as JSON."""
    log_odds = sum(weights.get(name, 0.0) * value for name, value in features(text).items())
    label = "positive" if log_odds >= 0 else "negative"
    score = 1 / (1 + math.exp(-abs(log_odds)))
    return json.dumps({"label": label, "score": round(score, 4)})
