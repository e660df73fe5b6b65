"""The sentiment example: an honest corpus, negations, and weights found where a server says."""

import csv
import json
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples.conftest import EXAMPLES, import_sentiment

SENTIMENT = EXAMPLES / "sentiment"


def test_corpus_has_no_duplicates_and_is_in_balance() -> None:
    with (SENTIMENT / "data" / "reviews.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = Counter(" ".join(row["text"].casefold().split()) for row in rows)
    assert [text for text, times in texts.items() if times > 1] == []
    assert Counter(row["label"] for row in rows) == {"positive": 300, "negative": 300}
    pairs = Counter((row["pair"], row["label"]) for row in rows)
    assert set(pairs.values()) == {1}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("good", "positive"),
        ("not good", "negative"),
        ("bad", "negative"),
        ("not bad at all", "positive"),
        ("It isn't great.", "negative"),
        ("It isn\N{RIGHT SINGLE QUOTATION MARK}t great.", "negative"),
        ("No, great!", "positive"),
        ("GREAT", "positive"),
    ],
)
def test_negation(sentiment: ModuleType, text: str, label: str) -> None:
    assert json.loads(sentiment.predict(text))["label"] == label


def test_an_answer_for_any_text() -> None:
    sentiment = import_sentiment()
    sentiment.weights.update(json.loads((SENTIMENT / "weights" / "model.json").read_text("utf-8")))

    @given(st.text() | st.lists(st.sampled_from(sorted(sentiment.weights))).map(" ".join))
    def answers(text: str) -> None:
        answer = json.loads(sentiment.predict(text))
        assert answer["label"] in {"positive", "negative"}
        assert 0.5 <= answer["score"] <= 1

    answers()


@pytest.mark.parametrize("place", ["", "other.json"])
def test_model_path(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / (place or "model.json")).write_text('{"splendid": 3.0}', encoding="utf-8")
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / place))
    model = import_sentiment()
    model.init()
    assert json.loads(model.predict("splendid")) == {"label": "positive", "score": 0.9526}


def test_the_model_needs_nothing_but_python() -> None:
    """Neither Shipmark nor anything else is imported, and nothing is asked to be installed."""
    assert not (SENTIMENT / "requirements.txt").exists()
    imports = [
        line
        for line in (SENTIMENT / "model.py").read_text().splitlines()
        if line.startswith(("import ", "from "))
    ]
    assert imports == [
        "import json",
        "import math",
        "import os",
        "import re",
        "import unicodedata",
        "from pathlib import Path",
    ]
