"""A scorer of comments learned from rated texts: what the rules see, and every word besides, by ridge regression.

    value = b + w . [TF-IDF of words and pairs, negated ones apart | TF-IDF of letters, 2 to 5 | rule features | more]

Words in the scope of a negator count as other words ("not_good"; Das and Chen 2001; Pang, Lee and Vaithyanathan 2002).
Letters catch endings, spellings and Chinese. The rule features (strength, the best and the worst thing said, what was
said last, ...) let a few rated texts go a long way: they bring in what the word lists know. `embed` adds any other
numbers for a text, a sentence encoder's for one; it is handed in, because nothing here needs torch. The stated variance
is fitted on a tenth of the texts that the weights do not see; it grows with how far learned weights and rules are apart
(`burnish.maths.stated_variance`).
scikit-learn is imported when a scorer is fitted or loaded, not before. Saved as JSON and plain arrays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from burnish.errors import InputError
from burnish.feedback.words import grammar
from burnish.feedback.words.clauses import Clause
from burnish.feedback.words.lexicon import Lexicon, own
from burnish.feedback.words.reading import Estimate, Parsed, parse, rule_value
from burnish.feedback.words.tokens import Token
from burnish.maths.stated_variance import fit_stated_variance
from burnish.records import share_of

Floats: TypeAlias = NDArray[np.float64]
Embed: TypeAlias = Callable[[Sequence[str]], Floats]

ALPHA = 2.0
"""Strength of the ridge, with rows of TF-IDF of length 1 and rule features of about that size."""
NEGATED_WORDS = 5
HELD_BACK, LEAST_HELD_BACK = 0.1, 10
ENOUGH = 20
"""Texts; with fewer nothing but noise is learned."""


class LearnedScorer:
    """The vocabularies, the weights and the stated variance."""

    def __init__(self, parts: dict[str, Any], weights: Floats, lexicon: Lexicon, embed: Embed | None) -> None:
        self.parts = parts
        """Plain values: words, letters (vocabulary and idf of each), scales, offset, floor, factor."""
        self.weights = weights
        self.lexicon = lexicon
        self.embed = embed
        self._vectorizers = {name: _known(name, parts[name]) for name in ("words", "letters")}

    def predict(self, texts: Sequence[str]) -> list[Estimate]:
        """The value of each text with its variance, from -4 to 4."""
        value_N, apart_N = self.values([parse(text, self.lexicon) for text in texts])
        variance_N = self.parts["floor"] + self.parts["factor"] * np.square(apart_N)
        return [Estimate(float(value), float(variance)) for value, variance in zip(value_N, variance_N, strict=True)]

    def values(self, parsed: Sequence[Parsed]) -> tuple[Floats, Floats]:
        """The values of texts that are parsed already, and how far the rules' are from them; both (N,)."""
        rows = _rows(parsed, self._vectorizers, np.array(self.parts["scales"]), self.embed)
        value_N: Floats = np.clip(np.asarray(rows @ self.weights, float) + self.parts["offset"], -4, 4)
        return value_N, value_N - np.array([rule_value(each.strength) for each in parsed])

    def save(self, folder: Path) -> None:
        """Write `scorer.json` and `weights.npy`; the lexicon and `embed` are given again when it is loaded."""
        folder.mkdir(parents=True)
        (folder / "scorer.json").write_text(json.dumps(self.parts, ensure_ascii=False), "utf-8")
        np.save(folder / "weights.npy", self.weights, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, *, lexicon: Lexicon | None = None, embed: Embed | None = None) -> LearnedScorer:
        """What `save` wrote."""
        parts = json.loads((folder / "scorer.json").read_text("utf-8"))
        return cls(parts, np.load(folder / "weights.npy", allow_pickle=False), lexicon or own(), embed)


def fit(
    texts: Sequence[str],
    values: Sequence[float],
    *,
    weights: Sequence[float] | None = None,
    lexicon: Lexicon | None = None,
    embed: Embed | None = None,
    alpha: float = ALPHA,
) -> LearnedScorer:
    """The scorer of texts with people's values (from -4 to 4), each weighted.

    The variance is stated by a first fit's errors on a tenth of the texts, chosen by hash, that it does not see; the
    weights are then fitted to all. Raises InputError for fewer than `ENOUGH` texts or lists of different length.
    """
    if len(texts) != len(values) or len(texts) < ENOUGH:
        raise InputError(
            f"learned.fit: {len(texts)} texts, {len(values)} values. Bring as many, and at least {ENOUGH}."
        )
    known, value_N = lexicon or own(), np.asarray(values, float)
    weight_N = np.ones(len(texts)) if weights is None else np.asarray(weights, float)
    parsed = [parse(text, known) for text in texts]
    back = np.array([share_of(text, "variance") < HELD_BACK for text in texts])
    seen = [each for each, held in zip(parsed, back, strict=True) if not held]
    first = _weighed(seen, value_N[~back], weight_N[~back], known, embed, alpha)
    scorer = _weighed(parsed, value_N, weight_N, known, embed, alpha)
    # with too few held back the first fit's own errors stand in, doubled: they are too small
    shown, widen = (back, 1.0) if back.sum() >= LEAST_HELD_BACK else (~back, 2.0)
    first_N, apart_N = first.values([each for each, kept in zip(parsed, shown, strict=True) if kept])
    floor, factor = fit_stated_variance(first_N - value_N[shown], apart_N, np.zeros(len(first_N)))
    scorer.parts.update(floor=widen * floor, factor=widen * factor)
    return scorer


UNUSED = 1e12
"""Scale of a feature that never varied: what is divided by it is as good as 0."""


def _weighed(
    parsed: Sequence[Parsed], value_N: Floats, weight_N: Floats, lexicon: Lexicon, embed: Embed | None, alpha: float
) -> LearnedScorer:
    """A scorer whose variance is not stated yet."""
    vectorizers = {name: _fitted(name, parsed) for name in ("words", "letters")}
    spread = np.std([_features(each) for each in parsed], axis=0)
    # what is the same in all texts has nothing to teach: taken out, or a text that differs there would count for all
    scales = np.where(spread < 1e-6, UNUSED, spread)
    slopes, offset = _ridge(_rows(parsed, vectorizers, scales, embed), value_N, weight_N, alpha)
    parts: dict[str, Any] = {name: _plain(vectorizer) for name, vectorizer in vectorizers.items()}
    return LearnedScorer({**parts, "scales": scales.tolist(), "offset": offset}, slopes, lexicon, embed)


# ------------------------------------------------------------------------------------------------------------ features


def _terms(parsed: Parsed) -> list[str]:
    """Words and pairs of neighbours, those in the scope of a negator marked."""
    single = [word for clause in parsed.clauses for word in (*_marked(parsed.words, clause), ".")]
    return single + [f"{first} {second}" for first, second in pairwise(single)]


def _features(parsed: Parsed) -> list[float]:
    """What the rules see, plain and bent where it gets large."""
    weighed = parsed.weighed
    flat = [valence for found in weighed for valence in found]
    good, bad = (math.fsum(each for each in flat if sign * each > 0) for sign in (1, -1))
    last, first = (math.fsum(weighed[place]) if weighed else 0.0 for place in (-1, 0))
    best, worst = max([0.0, *flat]), min([0.0, *flat])
    seen = [parsed.strength, best, worst, good, bad, last, first, math.log1p(len(parsed.words))]
    return [*seen, parsed.text.count("!") + parsed.text.count("！"), *(math.tanh(each / 2) for each in seen)]


def _marked(words: Sequence[Token], clause: Clause) -> Iterator[str]:
    part = words[clause.first : clause.last]
    reach = 0
    for place, token in enumerate(part):
        turns = grammar.NEGATORS.at(part, place) and not grammar.NOT_NEGATORS.at(part, place)
        reach = 0 if token.text in grammar.SCOPE_ENDS else reach
        yield f"not_{token.text}" if reach and not turns else token.text
        reach = NEGATED_WORDS if turns else max(0, reach - 1)


def _rows(parsed: Sequence[Parsed], vectorizers: dict[str, Any], scales: Floats, embed: Embed | None) -> csr_matrix:
    features = np.array([_features(each) for each in parsed]) / scales / 2
    parts = [*(vectorizers[name].transform(parsed) for name in ("words", "letters")), csr_matrix(features)]
    if embed is not None:
        parts.append(csr_matrix(np.asarray(embed([each.text for each in parsed]), float)))
    return csr_matrix(hstack(parts))


# ------------------------------------------------------------------------------------------------------- scikit-learn


def _text(parsed: Parsed) -> str:
    return parsed.text.lower()


def _vectorizer(name: str, **more: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if name == "words":
        return TfidfVectorizer(analyzer=_terms, sublinear_tf=True, **more)
    # a preprocessor of our own switches scikit-learn's off, so it lowers the case itself
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, preprocessor=_text, **more)


def _fitted(name: str, parsed: Sequence[Parsed]) -> Any:
    return _vectorizer(name, min_df=2 if len(parsed) > 100 else 1).fit(parsed)


def _plain(vectorizer: Any) -> dict[str, Any]:
    vocabulary = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
    return {"vocabulary": vocabulary, "idf": vectorizer.idf_.tolist()}


def _known(name: str, parts: dict[str, Any]) -> Any:
    vectorizer = _vectorizer(name, vocabulary=parts["vocabulary"])
    vectorizer.idf_ = np.array(parts["idf"])
    return vectorizer


def _ridge(rows: csr_matrix, values: Floats, weights: Floats, alpha: float) -> tuple[Floats, float]:
    from sklearn.linear_model import Ridge

    fitted = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-4).fit(rows, values, sample_weight=weights)
    return np.asarray(fitted.coef_, float), float(fitted.intercept_)
