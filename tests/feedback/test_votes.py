from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, polygamma

from burnish.feedback import votes
from burnish.feedback.answers import Answer, SignalConfig
from burnish.records import Author, Completion, Feedback, Prompt

PROMPT = Prompt.of("Hi")
CONFIG = SignalConfig()


def thumb(up, *, text="A", author="", number=0):
    completion = Completion(PROMPT.id, text)
    record = Feedback(f"f{number}", "thumb", PROMPT.id, (completion.id,), {"thumb": up}, Author(author))
    return Answer(PROMPT, (completion,), record)


def vote(first, second, *, author="", number=0, aspect="", prompt=PROMPT, **value):
    """The first text chosen, unless the value says otherwise."""
    shown = (Completion(prompt.id, first), Completion(prompt.id, second))
    said = value or {"chosen": 0}
    if "strength" in said:
        said.setdefault("chosen", 0)
    record = Feedback(
        f"f{number}", "comparison", prompt.id, tuple(each.id for each in shown), said, Author(author), aspect
    )
    return Answer(prompt, shown, record)


def chance(preferences, text, other):
    """P(text preferred to other) that the preferences state."""
    for preference in preferences:
        if {each.text for each in preference.completions} == {text, other}:
            right = preference.probability
            return right if preference.chosen.text == text else 1 - right
    raise AssertionError(f"{text} and {other} were not compared")


def test_thumbs_are_the_posterior_of_beta_by_hand():
    # 3 up, 1 down: Beta(4, 2), mean 2/3, variance 4*2 / (6^2 * 7) = 2/63; on -4 to 4 (width 8): -4 + 16/3, 64 * 2/63
    (score,) = votes.thumb_scores([thumb(True), thumb(True), thumb(False), thumb(True)], CONFIG)
    assert score.value == pytest.approx(4 / 3)
    assert score.variance == pytest.approx(128 / 63)
    assert score.counts == ((-4.0, 1), (4.0, 3))
    assert score.source == "thumb"


def test_value_is_the_expectation_of_the_ends():
    (score,) = votes.thumb_scores([thumb(True)], SignalConfig(scale=(0, 1)))
    assert score.value == pytest.approx(2 / 3)
    (score,) = votes.thumb_scores([thumb(False)], CONFIG)
    assert score.value == pytest.approx((2 * (1 / 3) - 1) * 4)
    assert score.counts == ((-4.0, 1),)


def test_a_named_person_has_one_thumb_and_anonymous_ones_all_count():
    named = [thumb(True, author="ana", number=1), thumb(False, author="ana", number=2)]
    (score,) = votes.thumb_scores(named, CONFIG)
    assert score.counts == ((-4.0, 1),)
    assert score.feedback_ids == ("f2",)
    (score,) = votes.thumb_scores([thumb(True), thumb(True)], CONFIG)
    assert score.counts == ((4.0, 2),)


@pytest.mark.parametrize(("won", "lost"), [(1, 0), (3, 1), (0, 2), (10, 10)])
def test_one_pair_is_the_posterior_of_beta(won, lost):
    given = [vote("A", "B")] * won + [vote("B", "A")] * lost
    (preference,) = votes.preferences(given, CONFIG)
    mean = (won + 1) / (won + lost + 2)
    assert chance([preference], "A", "B") == pytest.approx(mean)
    assert preference.variance == pytest.approx(mean * (1 - mean) / (won + lost + 3))
    assert preference.probability >= 0.5
    assert preference.weight == 1.0
    assert preference.ranks == ((0, 0) if won == lost else (0, 1))
    assert preference.margin is None


def test_one_vote_is_never_certain_and_more_votes_are_surer():
    one = votes.preferences([vote("A", "B")], CONFIG)[0]
    ten = votes.preferences([vote("A", "B")] * 10, CONFIG)[0]
    assert 0.5 < one.probability < ten.probability < 1
    assert one.variance > ten.variance
    sceptic = votes.preferences([vote("A", "B")], SignalConfig(prior_votes=5))[0]
    assert sceptic.probability == pytest.approx(6 / 11)


def test_a_tie_is_half_a_win_each_way_and_counts_as_an_answer():
    (preference,) = votes.preferences([vote("A", "B", tie="good"), vote("A", "B")], CONFIG)
    assert preference.probability == pytest.approx(2.5 / 4)
    (tied,) = votes.preferences([vote("A", "B", tie="bad")], CONFIG)
    assert (tied.probability, tied.ranks) == (0.5, (0, 0))
    assert tied.variance == pytest.approx(0.25 / 4)


def test_cannot_judge_is_missing_and_not_a_half():
    assert votes.preferences([vote("A", "B", cannot_judge=True)], CONFIG) == []
    (preference,) = votes.preferences([vote("A", "B"), vote("A", "B", cannot_judge=True, number=1)], CONFIG)
    assert preference.probability == pytest.approx(2 / 3)
    assert preference.feedback_ids == ("f0",)


def test_strength_counts_as_part_of_a_vote_and_becomes_the_margin():
    for strength, share in ((1, 2 / 3), (2, 5 / 6), (3, 1.0)):
        (preference,) = votes.preferences([vote("A", "B", strength=strength)], CONFIG)
        assert preference.probability == pytest.approx((1 + share) / 3)
        assert preference.margin == pytest.approx(strength)  # one step is an eighth of the width of -4 to 4
    (mixed,) = votes.preferences([vote("A", "B", strength=3), vote("B", "A", strength=1), vote("A", "B")], CONFIG)
    assert mixed.chosen.text == "A"
    assert mixed.margin == pytest.approx(1.0)
    (wide,) = votes.preferences([vote("A", "B", strength=3)], SignalConfig(scale=(0, 16)))
    assert wide.margin == pytest.approx(6)


def test_a_weak_majority_against_strong_voices_has_no_negative_margin():
    given = [vote("A", "B", strength=1)] * 5 + [vote("B", "A", strength=3)] * 2
    preference = votes.preferences(given, SignalConfig(strength_votes=(1.0, 1.0, 1.0)))[0]
    assert preference.chosen.text == "A"
    assert preference.margin == 0.0


def test_who_was_shown_first_does_not_matter():
    forwards = [vote("A", "B"), vote("A", "B"), vote("B", "A")]
    backwards = [vote("B", "A", chosen=1), vote("B", "A", chosen=1), vote("A", "B", chosen=1)]
    assert chance(votes.preferences(forwards, CONFIG), "A", "B") == chance(
        votes.preferences(backwards, CONFIG), "A", "B"
    )


def test_one_person_one_vote_the_latest():
    given = [vote("A", "B", author="ana", number=1), vote("B", "A", author="ana", number=2)]
    (preference,) = votes.preferences(given, CONFIG)
    assert preference.chosen.text == "B"
    assert preference.feedback_ids == ("f2",)


def test_linked_pairs_lend_each_other_strength():
    chain = [vote("A", "B")] * 4 + [vote("B", "C")] * 4
    alone = votes.preferences([vote("A", "C")], CONFIG)
    linked = votes.preferences([*chain, vote("A", "C")], CONFIG)
    assert len(linked) == 3
    assert chance(linked, "A", "C") > chance(linked, "A", "B") > 0.5
    assert chance(linked, "A", "C") > chance(alone, "A", "C")


@pytest.mark.parametrize("prior", [1, 5])
def test_linked_pairs_are_the_posterior_found_by_drawing_scores(prior):
    # scores whose differences have the variance of the logit of Beta(prior, prior), weighed by A > B and B > C
    generator = np.random.default_rng(0)
    a, b, c = generator.normal(0, np.sqrt(polygamma(1, prior)), size=(3, 400_000))
    weight = expit(a - b) * expit(b - c)
    exact = (weight @ expit(a - b)) / weight.sum()
    linked = votes.preferences([vote("A", "B"), vote("B", "C")], SignalConfig(prior_votes=prior))
    assert chance(linked, "A", "B") == pytest.approx(exact, abs=0.01)


def test_only_pairs_that_people_compared_come_out():
    compared = votes.preferences([vote("A", "B"), vote("B", "C")], CONFIG)
    assert {frozenset(each.text for each in one.completions) for one in compared} == {frozenset("AB"), frozenset("BC")}


def test_a_cycle_of_opinions_is_no_order():
    circle = [vote("A", "B"), vote("B", "C"), vote("C", "A")]
    for preference in votes.preferences(circle, CONFIG):
        assert preference.probability == pytest.approx(0.5, abs=1e-6)
        assert preference.ranks == (0, 0)


def test_islands_prompts_and_aspects_do_not_mix():
    other = Prompt.of("Ho")
    given = [vote("A", "B"), vote("C", "D"), vote("A", "B", aspect="tone"), vote("B", "A", prompt=other)]
    found = votes.preferences(given, CONFIG)
    assert len(found) == 4
    assert all(preference.probability == pytest.approx(2 / 3) for preference in found)
    assert found[3].prompt == other
    assert found[3].chosen.text == "B"


@settings(max_examples=40, deadline=None)
@given(
    given=st.lists(
        st.tuples(st.sampled_from(["AB", "BA", "BC", "CB", "AC", "DE"]), st.sampled_from([None, 1, 2, 3, "tie"])),
        min_size=1,
        max_size=15,
    )
)
def test_probabilities_are_inner_mirror_and_keep_the_order_of_wins(given):
    def answers(swapped):
        made = []
        for number, (pair, how) in enumerate(given):
            first, second = reversed(pair) if swapped else pair
            value = {"tie": "good"} if how == "tie" else {} if how is None else {"strength": how}
            made.append(vote(first, second, number=number, **value))
        return made

    here, mirrored = votes.preferences(answers(False), CONFIG), votes.preferences(answers(True), CONFIG)
    assert Counter(frozenset(each.text for each in one.completions) for one in here).total() == len(here)
    for preference in here:
        one, two = (each.text for each in preference.completions)
        assert 0.5 <= preference.probability < 1
        assert 0 < preference.variance < 0.25
        assert chance(mirrored, one, two) == pytest.approx(1 - chance(here, one, two), abs=1e-6)
    ids = [name for preference in here for name in preference.feedback_ids]
    assert sorted(ids) == sorted(f"f{number}" for number in range(len(given)))
