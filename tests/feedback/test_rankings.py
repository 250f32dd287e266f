import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback import rankings
from burnish.feedback.answers import Answer, SignalConfig
from burnish.maths import choice
from burnish.records import Author, Completion, Feedback, Prompt

PROMPT = Prompt.of("Hi")
CONFIG = SignalConfig()


def ranked(order, shown="ABC", *, author="", number=0):
    """`order` names the texts, best first, ties in one string: ["A", "BC"]."""
    texts = tuple(Completion(PROMPT.id, text) for text in shown)
    groups = [[shown.index(text) for text in group] for group in order]
    placed = {each for group in groups for each in group}
    skipped = [index for index in range(len(shown)) if index not in placed]
    value = {"ranking": groups, "skipped": skipped} if skipped else {"ranking": groups}
    record = Feedback(f"f{number}", "ranking", PROMPT.id, tuple(each.id for each in texts), value, Author(author))
    return Answer(PROMPT, texts, record)


def ranks(preference):
    return {text.text: rank for text, rank in zip(preference.completions, preference.ranks, strict=True)}


def test_one_persons_ranking_is_kept_as_given_with_its_ties():
    (preference,) = rankings.preferences([ranked(["C", "AB"])], CONFIG)
    assert ranks(preference) == {"A": 1, "B": 1, "C": 0}
    assert preference.probability is None
    assert preference.feedback_ids == ("f0",)
    assert 0 < preference.weight < 1


def test_rankings_are_never_broken_into_pairs():
    assert len(rankings.preferences([ranked(list("ABCDE"), "ABCDE")], CONFIG)) == 1


def test_several_people_become_one_consensus():
    given = [ranked(["A", "B", "C"]), ranked(["A", "C", "B"]), ranked(["A", "B", "C"], number=2)]
    (preference,) = rankings.preferences(given, CONFIG)
    assert ranks(preference) == {"A": 0, "B": 1, "C": 2}
    assert preference.feedback_ids == ("f0", "f0", "f2")


def test_the_order_in_which_texts_were_shown_does_not_matter():
    given = [ranked(["A", "B", "C"], "ABC"), ranked(["A", "B", "C"], "CAB"), ranked(["A", "B", "C"], "BCA")]
    (preference,) = rankings.preferences(given, CONFIG)
    assert ranks(preference) == {"A": 0, "B": 1, "C": 2}


def test_opposed_people_tie_what_they_disagree_on():
    (preference,) = rankings.preferences([ranked(["A", "B", "C"]), ranked(["A", "C", "B"])], CONFIG)
    assert ranks(preference) == {"A": 0, "B": 1, "C": 1}


def test_rankings_that_cancel_out_hold_no_order():
    circle = [ranked(["A", "B", "C"]), ranked(["B", "C", "A"]), ranked(["C", "A", "B"])]
    assert rankings.preferences(circle, CONFIG) == []


def test_opposite_rankings_leave_hardly_any_weight():
    # Plackett-Luce is not blind to B, whom nobody placed last
    (preference,) = rankings.preferences([ranked(["A", "B", "C"]), ranked(["C", "B", "A"])], CONFIG)
    assert ranks(preference) == {"A": 1, "B": 0, "C": 1}
    assert preference.weight < 0.1


def test_weight_grows_with_agreement():
    weights = [rankings.preferences([ranked(["A", "B", "C"])] * people, CONFIG)[0].weight for people in (1, 3, 10)]
    split = rankings.preferences([ranked(["A", "B", "C"])] * 2 + [ranked(["C", "B", "A"])], CONFIG)[0].weight
    assert split < weights[0] < weights[1] < weights[2] <= 1


def test_variance_falls_with_people_and_is_of_the_pairs():
    found = [rankings.preferences([ranked(["A", "B", "C"])] * people, CONFIG)[0] for people in (1, 3, 10)]
    assert found[0].variance > found[1].variance > found[2].variance > 0
    assert found[0].probability is None
    fit = choice.plackett_luce([[[0], [1], [2]]], n_items=3)
    pairs = [fit.probability(one, two)[1] for one, two in ((0, 1), (0, 2), (1, 2))]
    assert found[0].variance == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("people", [1, 4])
def test_the_stated_variance_is_that_of_what_is_not_known(people):
    # merits drawn from the prior, rankings from the merits: the mean squared error of P is what was stated
    generator = np.random.default_rng(people)
    stated, missed = [], []
    for _ in range(150):
        merit = generator.normal(0, choice.PRIOR_RIDGE**-0.5, size=3)
        # the order of noisy merits, the noise Gumbel, is Plackett and Luce's
        orders = np.argsort(-(merit + generator.gumbel(size=(people, 3))), axis=1).tolist()
        given = [ranked(["ABC"[place] for place in order], number=n) for n, order in enumerate(orders)]
        fit = choice.plackett_luce([[[place] for place in order] for order in orders], n_items=3)
        for preference in rankings.preferences(given, CONFIG):
            stated.append(preference.variance)
            true = 1 / (1 + np.exp(merit[None] - merit[:, None]))
            missed += [(fit.probability(i, j)[0] - true[i, j]) ** 2 for i, j in ((0, 1), (0, 2), (1, 2))]
    assert np.mean(stated) == pytest.approx(np.mean(missed), rel=0.2)


def test_people_who_see_alike_tie_what_they_disagree_on_when_they_are_weighed():
    given = [ranked(["A", "B", "C"], author="ana"), ranked(["A", "C", "B"], author="bo", number=1)]
    (preference,) = rankings.preferences(given, SignalConfig(people="annotators"))
    assert ranks(preference) == {"A": 0, "B": 1, "C": 1}


def test_skipped_texts_are_not_compared_and_no_losers():
    (preference,) = rankings.preferences([ranked(["A", "C"], "ABC")], CONFIG)
    assert ranks(preference) == {"A": 0, "B": None, "C": 1}
    both = rankings.preferences([ranked(["A", "C"], "ABC"), ranked(["B", "A"], "ABC")], CONFIG)
    assert ranks(both[0]) == {"A": 1, "B": 0, "C": 2}


def test_placings_that_nothing_links_stay_apart():
    given = [ranked(["A", "B"], "ABCD"), ranked(["D", "C"], "ABCD", number=1)]
    one, two = rankings.preferences(given, CONFIG)
    assert ranks(one) == {"A": 0, "B": 1, "C": None, "D": None}
    assert ranks(two) == {"A": None, "B": None, "C": 1, "D": 0}


def test_one_person_one_ranking_the_latest():
    given = [ranked(["A", "B", "C"], author="ana", number=1), ranked(["C", "B", "A"], author="ana", number=2)]
    (preference,) = rankings.preferences(given, CONFIG)
    assert ranks(preference) == {"C": 0, "B": 1, "A": 2}
    assert preference.feedback_ids == ("f2",)


@settings(max_examples=30, deadline=None)
@given(orders=st.lists(st.permutations("ABCD"), min_size=1, max_size=6), names=st.permutations("ABCD"))
def test_renaming_texts_renames_the_consensus(orders, names):
    def places(rename):
        given = [ranked([rename[text] for text in order], "ABCD", number=n) for n, order in enumerate(orders)]
        return [ranks(preference) for preference in rankings.preferences(given, CONFIG)]

    renamed = dict(zip("ABCD", names, strict=True))
    here, there = places({text: text for text in "ABCD"}), places(renamed)
    assert [{renamed[text]: rank for text, rank in each.items()} for each in here] == there
