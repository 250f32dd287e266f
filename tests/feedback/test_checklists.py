import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback import checklists
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import signals_from
from burnish.records import Critique, Score


def signals(*rubrics):
    rows = [{"prompt": "Hi", "completion": "A", "rubric": list(rubric)} for rubric in rubrics]
    return signals_from([to_entry(row, (str(n), 0), Given()) for n, row in enumerate(rows)])


def whole(found):
    return next(score for score in found if isinstance(score, Score) and not score.aspect)


def point(criterion="x", answer=True, **more):
    return {"criterion": criterion, "answer": answer, **more}


def test_the_share_is_the_weighted_share_of_what_was_asked_for():
    points = [point("a", weight=3), point("b", False), point("c", 3, scale=[0, 4], weight=2), point("d", None)]
    assert checklists.share(points) == pytest.approx((3 + 0 + 2 * 0.75) / 6)


def test_a_pitfall_costs_points_and_never_more_than_all():
    assert checklists.share([point("a", weight=2), point("p", True, weight=-1)]) == pytest.approx(0.5)
    assert checklists.share([point("a", weight=2), point("p", False, weight=-1)]) == 1
    assert checklists.share([point("a", weight=1), point("p", True, weight=-5)]) == 0


def test_a_pitfall_that_was_looked_for_in_vain_costs_next_to_nothing():
    flawless = [point("a"), point("b"), point("p", False, weight=-2)]
    half = [point("a"), point("b", False), point("p", False, weight=-2)]
    found = [point("a"), point("b"), point("p", True, weight=-2)]
    bare = [point("a"), point("b")]
    values = [whole(signals(each)).value for each in (bare, flawless, found)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[1] < 0.3  # of a width of 8
    assert values[1] > 0.9
    assert values[2] < whole(signals(half)).value  # the pitfall weighs as much as both points together
    assert whole(signals(flawless)).value > whole(signals(*[half] * 10)).value


def test_an_essential_point_that_is_missed_caps_the_whole():
    points = [point(name) for name in "abcd"]
    assert checklists.share([*points, point("e", False)]) == pytest.approx(0.8)
    assert checklists.share([*points, point("e", False, essential=True)]) == checklists.ESSENTIAL_CAP


def test_one_persons_yes_says_two_thirds_and_not_certainty():
    score = whole(signals([point()]))
    assert score.value == pytest.approx(-4 + 8 * 2 / 3)
    assert score.variance == pytest.approx(64 * (2 / 3 * 1 / 3 / 4))


def test_several_people_and_each_criterion_an_aspect():
    found = signals([point("a"), point("b", False)], [point("a"), point("b")], [point("a"), point("b", None)])
    scores = {score.aspect: score for score in found if isinstance(score, Score)}
    assert scores["a"].value == pytest.approx(-4 + 8 * 4 / 5)
    assert scores["b"].value == pytest.approx(0)
    assert scores[""].value == pytest.approx((scores["a"].value + scores["b"].value) / 2)
    assert scores[""].variance == pytest.approx((scores["a"].variance + scores["b"].variance) / 4)


def test_where_nobody_could_judge_what_was_asked_for_there_is_no_score():
    assert [s for s in signals([point("a", None), point("p", True, weight=-1)]) if isinstance(s, Score)] == []


def test_missed_points_are_a_critique_with_their_evidence():
    (critique,) = (
        signal
        for signal in signals([point("a"), point("cites", False, evidence="no link"), point("lies", True, weight=-1)])
        if isinstance(signal, Critique)
    )
    assert critique.text == "Not met: cites (no link)\nShould not be there: lies"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=1, max_size=6), st.data())
def test_meeting_one_more_point_never_lowers_the_share(answered, data):
    points = [point(str(n), met, weight=weight) for n, (met, weight) in enumerate(answered)]
    better = [dict(each) for each in points]
    better[data.draw(st.integers(0, len(points) - 1))]["answer"] = True
    assert 0 <= checklists.share(points) <= checklists.share(better) <= 1
