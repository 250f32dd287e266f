"""Comments as signals: critiques always, scores where the words are sure enough."""

import pytest

from burnish.feedback.kinds import comment
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import SignalConfig, answers_of, signals_from
from burnish.feedback.words.reading import Estimate, Reading
from burnish.records import Critique, Score

TEXT = "The tower is in Paris. It was built in 1876. It is made of iron."


def entries(*rows):
    whole = [{"prompt": "Tell me of the tower", "completion": TEXT, **row} for row in rows]
    return [to_entry(row, (f"line {number}", 0), Given()) for number, row in enumerate(whole)]


def scores(*rows, config=None):
    found = signals_from(entries(*rows), config)
    return {each.aspect: each for each in found if isinstance(each, Score) and each.source == "comment"}


def critiques(*rows):
    return [each for each in signals_from(entries(*rows)) if isinstance(each, Critique)]


def test_a_comment_becomes_a_critique_with_the_parts_it_speaks_of():
    (critique,) = critiques({"comment": 'I like the tone, but the first sentence is wrong, and "1876" is wrong.'})
    marked = {(TEXT[span.start : span.end], span.label, span.severity < 0) for span in critique.spans}
    assert marked == {("The tower is in Paris.", "correctness", True), ("1876", "correctness", True)}
    assert critique.aspect == ""  # it speaks of two


def test_a_comment_that_speaks_of_one_aspect_is_a_critique_in_that_aspect():
    (critique,) = critiques({"comment": "Far too long."})
    assert (critique.aspect, critique.text) == ("length", "Far too long.")


def test_sure_words_become_scores_for_the_whole_and_each_aspect():
    found = scores({"comment": "Excellent and very clear, but the dates are simply wrong."})
    assert found["fluency"].value > 0 > found["correctness"].value
    assert 0 < found["correctness"].variance < 4
    assert found["correctness"].reason.startswith("Excellent")


def test_unsure_words_become_no_score_and_never_a_zero():
    assert scores({"comment": "I read it."}) == {}
    assert scores({"comment": "not bad"}) == {}
    assert len(critiques({"comment": "I read it."})) == 1


def test_several_people_are_surer_than_one_and_one_person_twice_is_not_two():
    bad = {"comment": "This is terrible."}
    one = scores({**bad, "author": "ana"})[""]
    two = scores({**bad, "author": "ana"}, {**bad, "author": "bo"})[""]
    same = scores({**bad, "author": "ana", "id": "1"}, {**bad, "author": "ana", "id": "2"})[""]
    assert two.variance < one.variance == pytest.approx(same.variance)
    assert two.value < one.value == pytest.approx(same.value)


def test_who_gave_a_grade_has_said_the_whole_and_adds_aspects_only():
    rated = {"rating": 2, "scale": [1, 5], "kind": "rating", "comment": "The facts are wrong.", "author": "ana"}
    assert set(scores(rated)) == {"correctness"}
    assert len(critiques(rated)) == 1  # a remark beside a rating is a comment too


def test_grades_beside_comments_teach_what_words_are_worth():
    """These people write "terrible" and grade in the middle: so their words weigh less."""
    graded = {"comment": "terrible", "rating": 3, "scale": [1, 5], "kind": "rating"}
    mild = [{**graded, "completion": f"{TEXT} {n}", "author": f"p{n}"} for n in range(100)]
    new = {"comment": "absolutely terrible, horrible!", "author": "new"}
    assert scores(new)[""].value < -1.5
    taught = scores(*mild, new).get("")
    assert taught is None or taught.value > scores(new)[""].value + 0.5


def test_a_model_may_read_in_the_rules_place():
    (answer,) = answers_of(entries({"comment": "C'est affreux, les faits sont faux."})[0])
    read = Reading("", (), Estimate(-3.0, 1.0), {"correctness": Estimate(-3.0, 1.0)})
    found = {each.aspect: each for each in comment.scores_of([(answer, read)], SignalConfig())}
    assert found["correctness"].value == pytest.approx(-3.0)
    assert found[""].value < -2
    assert comment.critiques_of([(answer, read)])[0].aspect == "correctness"


def test_scores_are_on_the_scale_asked_for():
    bad = {"comment": "This is terrible."}
    plain, shares = scores(bad)[""], scores(bad, config=SignalConfig(scale=(0.0, 1.0)))[""]
    assert shares.value == pytest.approx((plain.value + 4) / 8)
    assert shares.variance == pytest.approx(plain.variance / 64)


def test_comments_are_read_for_respects_of_ones_own():
    slow = {"comment": "Terrible latency, awfully slow, but the facts are right."}
    assert "speed" not in scores(slow)
    found = scores(slow, config=SignalConfig(aspects={"speed": ("slow", "latency")}))
    assert found["speed"].value < 0 < found["correctness"].value


def test_the_aspect_its_author_named_is_what_the_comment_speaks_of():
    assert set(scores({"comment": "This is terrible.", "aspect": "tone"})) == {"tone"}


def test_praise_is_told_apart_from_what_asks_for_a_change():
    praise, complaint = critiques({"comment": "Great, keep it like this."}, {"comment": "The second date is wrong."})
    assert praise.praises
    assert not complaint.praises


MENDED = TEXT.replace("1876", "1889")


def test_a_comment_with_a_correction_in_one_line_is_one_critique_with_its_revision():
    (critique,) = critiques({"comment": "The date is wrong.", "correction": MENDED, "id": "r1"})
    assert (critique.text, critique.revision) == ("The date is wrong.", MENDED)
    assert set(critique.feedback_ids) == {"r1", "r1/comment"}
    assert "1876" in {TEXT[span.start : span.end] for span in critique.spans}


def test_a_remark_beside_a_correction_is_its_critique():
    (critique,) = critiques({"kind": "correction", "comment": "The date is wrong.", "correction": MENDED, "id": "r1"})
    assert (critique.text, critique.revision, critique.feedback_ids) == ("The date is wrong.", MENDED, ("r1",))


def test_praise_with_a_correction_asks_for_that_correction():
    (critique,) = critiques({"comment": "Great, I love it.", "correction": MENDED})
    assert (critique.praises, critique.revision) == (False, MENDED)


def test_one_persons_comment_and_correction_in_two_lines_are_one_critique():
    ana = {"author": "ana"}
    (critique,) = critiques({"comment": "The date is wrong.", **ana}, {"correction": MENDED, **ana})
    assert critique.revision == MENDED


def test_another_persons_correction_is_a_critique_of_its_own():
    said, mended = critiques({"comment": "Too dry.", "author": "ana"}, {"correction": MENDED, "author": "bo"})
    assert (said.text, said.revision) == ("Too dry.", None)
    assert (mended.text, mended.revision) == ("“1876” should be “1889”.", MENDED)


def test_two_comments_of_one_person_do_not_both_claim_the_correction():
    ana = {"author": "ana"}
    found = critiques({"comment": "Too dry.", **ana}, {"comment": "Dates!", **ana}, {"correction": MENDED, **ana})
    assert sorted(each.revision is not None for each in found) == [False, False, True]


def test_without_comments_a_correction_speaks_for_itself():
    rows = entries({"comment": "The date is wrong.", "correction": MENDED})
    found = signals_from(rows, SignalConfig(kinds=("correction",)))
    assert [each.text for each in found if isinstance(each, Critique)] == ["“1876” should be “1889”."]


def test_nothing_else_that_a_correction_says_is_lost_beside_a_comment():
    whole = signals_from(entries({"comment": "The date is wrong.", "correction": MENDED}))
    assert {type(each).__name__ for each in whole} >= {"Critique", "Demonstration", "Preference"}
