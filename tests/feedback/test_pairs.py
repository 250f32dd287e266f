from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from burnish.errors import InputError
from burnish.feedback import pairs
from burnish.feedback.pairs import PRIOR_RATINGS, preferences_from_scores
from burnish.records import Completion, Prompt, Score

PROMPT = Prompt.of("Hi")


def score(text, counts=(), *, prompt=PROMPT, value=0.0, variance=None, **more):
    return Score(prompt, Completion(prompt.id, text), value, variance, counts=tuple(counts), **more)


def texts(preference):
    return tuple(each.text for each in preference.completions)


def slow_chance(one, two, everyone):
    """P(a rating drawn for one > a rating drawn for two) + half of equal, rating by rating."""

    def spread(counts):
        total = sum(n for _, n in counts) + PRIOR_RATINGS
        values = {value for value, _ in everyone}
        pooled = sum(n for _, n in everyone)
        return {
            value: (
                sum(n for v, n in counts if v == value)
                + PRIOR_RATINGS * sum(n for v, n in everyone if v == value) / pooled
            )
            / total
            for value in values
        }

    first, second = spread(one), spread(two)
    return sum(p * q * (1.0 if a > b else 0.5 if a == b else 0.0) for a, p in first.items() for b, q in second.items())


counts_of_a_text = st.dictionaries(st.integers(-4, 4), st.integers(1, 20), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(rated=st.lists(counts_of_a_text, min_size=2, max_size=6))
def test_probabilities_are_those_of_the_definition(rated):
    scores = [score(f"t{number}", sorted(counts.items())) for number, counts in enumerate(rated)]
    everyone = [pair for each in scores for pair in each.counts]
    found = preferences_from_scores(scores, n_pairs=100)
    assert len(found) == len(rated) * (len(rated) - 1) // 2
    by_text = {each.completion.text: each.counts for each in scores}
    for preference in found:
        chosen, rejected = texts(preference)
        expected = slow_chance(by_text[chosen], by_text[rejected], everyone)
        assert preference.probability == pytest.approx(expected, abs=1e-9)
        assert preference.probability >= 0.5 - 1e-9
        assert preference.ranks == ((0, 0) if preference.probability == 0.5 else (0, 1))
        assert 0 <= preference.variance < 0.25


def test_one_thumb_against_another_is_never_certain():
    up, down = score("A", [(4.0, 1)]), score("B", [(-4.0, 1)])
    (preference,) = preferences_from_scores([up, down], n_pairs=1)
    # half of all ratings are up, so each text is Beta(1, 1) and one thumb: 2/3 * 2/3 + (2/3 * 1/3 + 1/3 * 2/3) / 2
    assert preference.probability == pytest.approx(2 / 3)
    assert texts(preference) == ("A", "B")


def test_variance_is_that_of_ratings_drawn_again():
    generator = np.random.default_rng(0)
    values = np.arange(-4, 5)
    shares = [np.exp(-((values - centre) ** 2) / 4) for centre in (0.5, -0.5)]
    shares = [each / each.sum() for each in shares]
    chances, stated = [], []
    for _ in range(300):
        drawn = [Counter(generator.choice(values, 30, p=share).tolist()) for share in shares]
        scores = [
            score(name, [(float(v), n) for v, n in counts.items()]) for name, counts in zip("AB", drawn, strict=True)
        ]
        (preference,) = preferences_from_scores(scores, n_pairs=1)
        chances.append(preference.probability if texts(preference)[0] == "A" else 1 - preference.probability)
        stated.append(preference.variance)
    assert np.mean(stated) == pytest.approx(np.var(chances), rel=0.3)


def test_pairs_are_drawn_uniformly_within_groups():
    groups = {"x": 4, "y": 3, "z": 1}
    prompts = {name: Prompt.of(name) for name in groups}
    scores = [
        score(f"{name}{number}", [(1.0, 2)], prompt=prompts[name])
        for name, size in groups.items()
        for number in range(size)
    ]
    every = {pair for name, size in groups.items() for pair in combinations([f"{name}{n}" for n in range(size)], 2)}
    drawn = Counter()
    for seed in range(400):
        found = preferences_from_scores(scores, n_pairs=3, seed=seed)
        names = [tuple(sorted(texts(preference))) for preference in found]
        assert len(set(names)) == 3
        drawn.update(names)
    assert set(drawn) == every
    assert chisquare([drawn[pair] for pair in sorted(every)]).pvalue > 1e-3


def test_many_pairs_of_many_texts_are_distinct_and_repeatable():
    generator = np.random.default_rng(0)
    scores = [score(f"t{number}", [(float(generator.integers(-4, 5)), 20)]) for number in range(300)]
    found = preferences_from_scores(scores, n_pairs=2_000, seed=5)
    assert len({frozenset(texts(preference)) for preference in found}) == 2_000
    assert found == preferences_from_scores(scores, n_pairs=2_000, seed=5)
    assert found != preferences_from_scores(scores, n_pairs=2_000, seed=6)
    assert (
        len(preferences_from_scores(scores, n_pairs=40_000))
        == len({frozenset(texts(each)) for each in preferences_from_scores(scores, n_pairs=40_000)})
        == 40_000
    )
    assert len(preferences_from_scores(scores, n_pairs=10**9)) == 300 * 299 // 2


def test_the_order_of_a_tie_carries_nothing():
    scores = [score(f"t{number:03}", [(1.0, 3)]) for number in range(60)]
    found = preferences_from_scores(scores, n_pairs=1_000)
    assert all(preference.ranks == (0, 0) and preference.probability == 0.5 for preference in found)
    sorted_first = sum(texts(preference)[0] < texts(preference)[1] for preference in found)
    assert 400 < sorted_first < 600


def test_aspects_and_prompts_do_not_mix_unless_asked():
    here, there = Prompt.of("a"), Prompt.of("b")
    scores = [
        score("A", [(1.0, 1)], prompt=here), score("B", [(2.0, 1)], prompt=here, aspect="tone"),
        score("C", [(3.0, 1)], prompt=there),
    ]  # fmt: skip
    assert preferences_from_scores(scores, n_pairs=5) == []
    with pytest.raises(InputError, match="a group holds texts of 2 prompts"):
        preferences_from_scores(scores, n_pairs=5, within=lambda each: "all")


def test_groups_can_be_anything_the_score_knows():
    prompts = [Prompt((), source=source) for source in ("movies", "movies", "shop")]  # one question: none
    scores = [score(text, [(1.0, 1)], prompt=prompt) for text, prompt in zip("ABC", prompts, strict=True)]
    found = preferences_from_scores(scores, n_pairs=9, within=lambda each: each.prompt.source)
    assert [set(texts(preference)) for preference in found] == [{"A", "B"}]


def test_scores_without_a_value_are_passed_over():
    scores = [score("A", [(1.0, 1)]), score("B", [(2.0, 1)]), score("C", value=None)]
    assert len(preferences_from_scores(scores, n_pairs=9)) == 1


def test_scores_of_a_model_are_compared_by_their_spread():
    scores = [
        score("A", value=1.0, variance=0.5),
        score("B", value=0.0, variance=0.5),
        score("C", [(1.0, 4)], value=1.0, variance=0.1),
    ]
    by_pair = {frozenset(texts(each)): each for each in preferences_from_scores(scores, n_pairs=9)}
    assert by_pair[frozenset("AB")].probability == pytest.approx(0.841345, abs=1e-6)  # Phi(1)
    assert by_pair[frozenset("AB")].variance is None
    assert by_pair[frozenset("AC")].probability == 0.5
    with pytest.raises(InputError, match="neither counts nor a variance"):
        preferences_from_scores([score("A"), score("B")], n_pairs=1)


def test_ids_and_weights_come_along():
    scores = [
        score("A", [(1.0, 1)], feedback_ids=("f1",), weight=0.5),
        score("B", [(2.0, 1)], feedback_ids=("f2", "f3")),
    ]
    (preference,) = preferences_from_scores(scores, n_pairs=1)
    assert texts(preference) == ("B", "A")
    assert preference.feedback_ids == ("f2", "f3", "f1")
    assert preference.weight == 0.5


def test_nothing_to_pair():
    assert preferences_from_scores([], n_pairs=1) == []
    with pytest.raises(InputError, match="0 pairs"):
        preferences_from_scores([], n_pairs=0)


def test_pieces_make_no_difference(monkeypatch):
    scores = [score(f"t{number}", [(float(number % 9), 3)]) for number in range(40)]
    whole = preferences_from_scores(scores, n_pairs=300)
    monkeypatch.setattr(pairs, "_PAIRS_AT_ONCE", 7)
    assert preferences_from_scores(scores, n_pairs=300) == whole
