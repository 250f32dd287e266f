import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr

from burnish.errors import InputError
from burnish.feedback.words import learned

NAMES = ("plot", "tower", "camera", "answer", "price")
MADE_UP = {"gorpful": 3.0, "blenty": 2.0, "snarg": -2.0, "quibbish": -3.0}
"""Words that no list knows: what is learned of them was learned from the ratings."""


def rated(n, seed):
    draw = np.random.default_rng(seed)
    words, texts, values = list(MADE_UP), [], []
    for number in range(n):
        word, negated = words[draw.integers(4)], draw.random() < 0.3
        name = NAMES[draw.integers(5)]
        texts.append(f"the {name} is {'not ' if negated else ''}{word} ({number})")
        values.append(MADE_UP[word] * (-0.7 if negated else 1) + draw.normal(0, 0.3))
    return texts, values


@pytest.fixture(scope="module")
def scorer():
    return learned.fit(*rated(400, 0))


def values_of(found):
    return [each.value for each in found]


def test_words_that_no_list_knows_are_learned_and_negation_with_them(scorer):
    texts, values = rated(200, 1)
    assert spearmanr(values_of(scorer.predict(texts)), values)[0] > 0.9
    plain, negated = scorer.predict(["the film is snarg", "the film is not snarg"])
    assert plain.value < -1 < 0.5 < negated.value


def test_the_stated_variance_holds(scorer):
    texts, values = rated(300, 2)
    found = scorer.predict(texts)
    held = [abs(e.value - value) <= 1.645 * e.variance**0.5 for e, value in zip(found, values, strict=True)]
    assert 0.82 <= np.mean(held) <= 0.98


def test_a_saved_scorer_is_the_same_scorer(scorer, tmp_path):
    scorer.save(tmp_path / "scorer")
    texts = rated(20, 3)[0]
    assert learned.LearnedScorer.load(tmp_path / "scorer").predict(texts) == scorer.predict(texts)


def test_other_numbers_of_a_text_can_be_added():
    texts, values = rated(200, 4)
    secret = dict(zip(texts, np.random.default_rng(0).normal(size=200), strict=True))

    def embed(given):
        return np.array([[secret.get(text, 0.0)] for text in given])

    lifted = [value + 2 * secret[text] for text, value in zip(texts, values, strict=True)]
    without, given = learned.fit(texts, lifted), learned.fit(texts, lifted, embed=embed)
    errors = [np.abs(np.subtract(values_of(each.predict(texts)), lifted)).mean() for each in (without, given)]
    assert errors[1] < 0.6 * errors[0]


def test_weights_count():
    texts = ["gorpful one", "gorpful two"] * 20
    up = learned.fit(texts, [3.0, -3.0] * 20, weights=[10.0, 0.1] * 20)
    even = learned.fit(texts, [3.0, -3.0] * 20)
    assert abs(even.predict(["gorpful"])[0].value) < 0.3
    assert up.predict(["gorpful"])[0].value > 0.6


def test_what_never_varied_counts_for_nothing_where_it_does():
    texts, values = ["gorpful one", "quibbish two"] * 20, [3.0, -3.0] * 20  # two words each: their number says nothing
    scorer = learned.fit(texts, values)
    short, long = scorer.predict(["gorpful", "gorpful one and then a good many words more"])
    assert short.value > 1
    assert long.value > 0.5


def test_too_few_texts_are_refused():
    with pytest.raises(InputError, match="at least 20"):
        learned.fit(["good"], [1.0])


def test_nothing_heavy_is_imported_before_a_scorer_is_fitted():
    code = (
        "import sys, burnish.feedback.signals, burnish.feedback.words.learned;"
        "from burnish.feedback.kinds import comment;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
