"""What is told of texts and pairs, beside the signals that training gets."""

import pytest

from burnish.feedback.answers import SignalConfig
from burnish.feedback.posterior import posterior
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import signals_from


def entries(*rows):
    return [to_entry({"prompt": "Lamps?", **row}, ("file", number), Given()) for number, row in enumerate(rows)]


def better(chosen, rejected, author="ana"):
    return {"chosen": chosen, "rejected": rejected, "author": author}


def test_values_are_those_of_the_scores_with_intervals_best_first():
    given = entries(
        {"completion": "dull", "rating": 2, "scale": [1, 5], "author": "ana"},
        {"completion": "bright", "rating": 5, "scale": [1, 5], "author": "ana"},
        {"completion": "bright", "rating": 4, "scale": [1, 5], "author": "bo"},
    )
    found = posterior(given).items
    assert [(item.completion.text, item.value.n) for item in found] == [("bright", 2), ("dull", 1)]
    scores = {score.completion.text: score for score in signals_from(given)}
    for item in found:
        assert item.value.mean == scores[item.completion.text].value
        assert -4 <= item.value.low < item.value.mean < item.value.high <= 4


@pytest.mark.parametrize("config", [SignalConfig(), SignalConfig(people="annotators"), SignalConfig(ties="davidson")])
def test_strengths_follow_the_comparisons_however_people_are_put_together(config):
    given = entries(
        *(better("a", "b", author) for author in ("ana", "bo", "cy")),
        *(better("b", "c", author) for author in ("ana", "bo", "cy")),
        {"chosen": "a", "rejected": "b", "tie": "good", "author": "di"},
    )
    items = [item for item in posterior(given, config).items if item.kind == "comparison"]
    assert [(item.completion.text, item.value.n) for item in items] == [("a", 4), ("b", 7), ("c", 3)]
    assert all(item.value.low < item.value.mean < item.value.high for item in items)
    assert sum(item.value.mean for item in items) == pytest.approx(0, abs=1e-6)


def test_texts_that_no_comparison_links_stand_in_groups_of_their_own_and_that_is_said():
    found = posterior(entries(better("a", "b"), better("c", "d")))
    groups = {item.completion.text: item.group[-1] for item in found.items}
    assert groups["a"] == groups["b"] != groups["c"] == groups["d"]
    assert "comparison: in 1 of 1 prompt the texts fall into groups that no answer links" in found.notes[0]
    assert not posterior(entries(better("a", "b"), better("b", "c"))).notes


def test_texts_ranked_in_other_sets_are_no_group():
    found = posterior(
        entries(*({"completions": list(shown), "ranking": [0, 1, 2], "author": "ana"} for shown in ("abc", "def")))
    )
    assert sorted(item.group[-1] for item in found.items) == ["1", "1", "1", "2", "2", "2"]


def test_pairs_have_the_probability_and_the_weight_of_training():
    given = entries(better("a", "b", "ana"), better("a", "b", "bo"))
    (pair,) = posterior(given).pairs
    (signal,) = signals_from(given)
    assert (pair.probability, pair.spread**2, pair.weight) == pytest.approx((0.75, signal.variance, signal.weight))
    assert (pair.chosen.text, pair.answers, pair.tie) == ("a", 2, None)


def test_pairs_of_a_ranking_share_its_weight():
    given = entries({"completions": ["a", "b", "c"], "ranking": [2, 0, 1], "author": "ana"})
    pairs = posterior(given).pairs
    (signal,) = signals_from(given)
    assert (pairs[0].chosen.text, pairs[0].rejected.text) == ("c", "b")
    assert sum(pair.weight for pair in pairs) == pytest.approx(signal.weight)
    assert sum(pair.spread**2 for pair in pairs) / 3 == pytest.approx(signal.variance)


def test_a_model_of_ties_tells_their_chance_and_its_parameter():
    found = posterior(
        entries(better("a", "b"), {"chosen": "c", "rejected": "d", "tie": "bad", "author": "ana"}),
        SignalConfig(ties="rao_kupper"),
    )
    assert all(0 < pair.tie < 1 for pair in found.pairs)
    assert found.ties[""].low < found.ties[""].mean < found.ties[""].high
