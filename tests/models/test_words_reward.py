import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from burnish.models.words_reward import WordsReward

TEXTS = ["good lamp", "very good film", "bad lamp", "a very bad film", "so so", "not good", "not bad at all"]
VALUES = [2.0, 3.0, -2.0, -3.0, 0.0, -1.0, 1.5]
EVEN = [1.0] * len(TEXTS)


def test_it_is_weighted_ridge_on_tf_idf_of_words_and_pairs():
    weights = [1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 0.1]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    ridge = Ridge(alpha=0.7).fit(vectorizer.fit_transform(TEXTS), VALUES, sample_weight=weights)
    new = ["good good film", "not a lamp", "words never seen", ""]
    found = WordsReward.fit(TEXTS, VALUES, weights, alpha=0.7).predict(new)
    assert found == pytest.approx(ridge.predict(vectorizer.transform(new)))
    assert found[2] == found[3] == pytest.approx(ridge.intercept_)  # nothing known: the offset


def test_weights_matter_and_pairs_of_words_do():
    surer = WordsReward.fit([*TEXTS, "good lamp"], [*VALUES, -2.0], [*EVEN, 50.0])
    assert surer.predict(["good lamp"])[0] < WordsReward.fit(TEXTS, VALUES, EVEN).predict(["good lamp"])[0]
    assert "not bad" in surer.vocabulary


def test_it_goes_through_a_file_bit_for_bit(tmp_path):
    model = WordsReward.fit([*TEXTS, "größer als £5 “gut”"], [*VALUES, 1.0], [*EVEN, 1.0])
    model.save(tmp_path / "words")
    again = WordsReward.load(tmp_path / "words")
    texts = ["good film", "so bad", "größer", ""]
    assert np.array_equal(again.predict(texts), model.predict(texts))
    assert set(json.loads((tmp_path / "words" / "words.json").read_text("utf-8"))) == {
        "words",
        "idf",
        "weights",
        "offset",
    }


def test_rare_words_are_left_out_when_there_are_many_texts():
    texts = [f"good lamp number{i}" for i in range(60)] + [f"bad film number{i}" for i in range(30, 90)]
    model = WordsReward.fit(texts, [1.0] * 60 + [-1.0] * 60, [1.0] * 120)
    assert "number5" not in model.vocabulary
    assert "number45" in model.vocabulary
