"""A rating from words alone: ridge regression on TF-IDF of words and word pairs. Saved as JSON, never as objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
WORD = rf"[{EAST_ASIAN}]|(?:(?![{EAST_ASIAN}])\w){{2,}}"
"""scikit-learn's words of two letters or more, and each Chinese, Japanese or Korean character by itself."""


class WordsReward:
    """The vocabulary and its weights."""

    def __init__(self, vocabulary: dict[str, int], idf: Floats, weights: Floats, offset: float) -> None:
        self.vocabulary = vocabulary
        self.idf = idf
        self.weights = weights
        self.offset = offset
        self._vectorizer = _vectorizer(vocabulary=vocabulary)
        self._vectorizer.idf_ = idf

    @classmethod
    def fit(
        cls, texts: Sequence[str], values: Sequence[float], weights: Sequence[float], *, alpha: float = 1.0
    ) -> WordsReward:
        """Return the model of texts' values, each weighted."""
        from sklearn.linear_model import Ridge

        found = vectorised(texts)
        if found is None:  # no words at all: everybody's mean for everything
            return cls({"no words": 0}, np.ones(1), np.zeros(1), float(np.average(values, weights=weights)))
        vectorizer, rows = found
        ridge = Ridge(alpha=alpha).fit(rows, values, sample_weight=weights)
        vocabulary = {word: int(place) for word, place in vectorizer.vocabulary_.items()}
        return cls(vocabulary, np.asarray(vectorizer.idf_), np.asarray(ridge.coef_), float(ridge.intercept_))

    def predict(self, texts: Sequence[str]) -> Floats:
        """Return the value of each text, (N,)."""
        found: Floats = np.asarray(self._vectorizer.transform(texts) @ self.weights, float) + self.offset
        return found

    def save(self, folder: Path) -> None:
        """Write `words.json`."""
        folder.mkdir(parents=True)
        words = sorted(self.vocabulary, key=self.vocabulary.__getitem__)
        plain = {"words": words, "idf": self.idf.tolist(), "weights": self.weights.tolist(), "offset": self.offset}
        (folder / "words.json").write_text(json.dumps(plain, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> WordsReward:
        """Return what `save` wrote."""
        plain: dict[str, Any] = json.loads((folder / "words.json").read_text("utf-8"))
        vocabulary = {word: place for place, word in enumerate(plain["words"])}
        return cls(vocabulary, np.asarray(plain["idf"]), np.asarray(plain["weights"]), plain["offset"])


def vectorised(texts: Sequence[str]) -> tuple[Any, Any] | None:
    """Return the TF-IDF vectoriser fitted to the texts, and their rows; None when no text has a word.

    Of more than 100 texts, words and word pairs that occur in one text alone are left out, unless all do.
    """
    for least in (2, 1) if len(texts) > 100 else (1,):
        vectorizer = _vectorizer(min_df=least)
        try:
            return vectorizer, vectorizer.fit_transform(texts)
        except ValueError as error:  # scikit-learn has no other sign for an empty vocabulary
            if "empty vocabulary" not in str(error) and "no terms remain" not in str(error):
                raise
    return None


def _vectorizer(**more: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORD, **more)
