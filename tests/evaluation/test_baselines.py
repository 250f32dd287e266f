import numpy as np
import pytest

from burnish.evaluation.baselines import lexicon, ridge, tfidf_bradley_terry, tfidf_from_ratings
from burnish.evaluation.reward_card import pair_accuracy

GOOD, BAD, PLAIN = ("fine", "lovely", "bright"), ("dull", "broken", "dim"), ("lamp", "cord", "box", "shade", "desk")


def made_up(seed, count):
    """Texts of three words each; each good word adds one to what people say, each bad word takes one off."""
    generator = np.random.default_rng(seed)
    texts, ratings = [], []
    for _ in range(count):
        chosen = generator.choice(GOOD + BAD + PLAIN, size=4)
        worth = sum(word in GOOD for word in chosen) - sum(word in BAD for word in chosen)
        texts.append(" ".join(chosen))
        ratings.append((worth + generator.integers(-1, 2, size=5)).astype(float).tolist())
    return texts, ratings


def test_words_learned_from_comparisons_order_new_texts():
    pytest.importorskip("sklearn")
    texts, ratings = made_up(0, 200)
    fresh, people = made_up(1, 100)
    scores = tfidf_from_ratings(texts, ratings, [0] * 200, fresh, n_pairs=2000)
    assert pair_accuracy(scores, [np.mean(each) for each in people], [0] * 100).accuracy > 0.85
    # and one who is told the opposite learns the opposite
    upside_down = tfidf_from_ratings(texts, [[-r for r in each] for each in ratings], [0] * 200, fresh, n_pairs=2000)
    assert pair_accuracy(upside_down, [np.mean(each) for each in people], [0] * 100).accuracy < 0.15


def test_swapping_a_pair_and_its_probability_changes_nothing():
    pytest.importorskip("sklearn")
    texts, _ = made_up(0, 40)
    pairs = np.random.default_rng(0).integers(0, 40, (100, 2))
    shares = np.random.default_rng(1).random(100)
    one = tfidf_bradley_terry(texts, pairs, shares, texts)
    other = tfidf_bradley_terry(texts, pairs[:, ::-1], 1 - shares, texts)
    assert one == pytest.approx(other, abs=1e-2)


def test_a_pair_of_weight_nought_teaches_nothing():
    pytest.importorskip("sklearn")
    texts, _ = made_up(0, 40)
    pairs = np.random.default_rng(0).integers(0, 40, (100, 2))
    shares = np.random.default_rng(1).random(100)
    weights = np.repeat([1.0, 0.0], 50)
    half = tfidf_bradley_terry(texts, pairs[:50], shares[:50], texts)
    assert tfidf_bradley_terry(texts, pairs, shares, texts, weights=weights) == pytest.approx(half, abs=1e-2)


def test_lexicon_is_any_function_of_a_text():
    assert lexicon(len, ["a", "bbb"]).tolist() == [1.0, 3.0]


def test_ridge_recovers_a_line_whatever_its_units():
    pytest.importorskip("sklearn")
    features = np.random.default_rng(0).normal(size=(300, 3)) * [1, 100, 0.01]
    target = features @ [1.0, 0.02, 50.0] + 2
    assert ridge(features, target, features, alpha=1e-6) == pytest.approx(target, abs=1e-5)
