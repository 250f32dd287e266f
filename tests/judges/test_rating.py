import math

import pytest

from burnish.errors import InputError
from burnish.judges.rating import Rating
from burnish.models.answering import Failure
from burnish.store import Entry, check


def test_a_grade_on_its_scale(asker, pairs):
    prompts, groups = pairs(("q", "fine text"))
    judge = Rating(asker(lambda question, seed: '{"reason": "well put", "rating": 8}'))
    (verdict,) = judge.verdicts(prompts, groups)
    assert verdict.feedback.value == {"rating": 8.0, "scale": [1, 10]}
    assert (verdict.value, verdict.variance, verdict.reason) == (8.0, None, "well put")
    check(Entry(prompts[0], tuple(groups[0]), (verdict.feedback,)))


def test_repeats_are_averaged_with_the_variance_of_the_mean(asker, pairs):
    grades = iter("479")
    judge = Rating(asker(lambda question, seed: f"rating: {next(grades)}"), repeats=3)
    (verdict,) = judge.verdicts(*pairs(("q", "text")))
    assert verdict.value == pytest.approx(20 / 3)
    assert verdict.variance == pytest.approx(((8 / 3) ** 2 + (1 / 3) ** 2 + (7 / 3) ** 2) / 2 / 3)  # by hand


def test_log_probs_give_the_expected_grade(asker, pairs):
    def prefer(question, options):
        assert options == ["1", "2", "3"]
        return {"1": math.log(0.1), "2": math.log(0.1), "3": math.log(0.3)}

    judge = Rating(asker(lambda question, seed: "", prefer=prefer), scale=(1, 3))
    (verdict,) = judge.verdicts(*pairs(("q", "text")))
    assert verdict.value == pytest.approx(1 * 0.2 + 2 * 0.2 + 3 * 0.6)
    assert verdict.variance == pytest.approx(0.2 * 1.4**2 + 0.2 * 0.4**2 + 0.6 * 0.6**2)


@pytest.mark.parametrize("said", ["great!", "rating: 42", Failure("rate limit"), ""])
def test_what_is_no_grade_is_a_failure_and_never_a_nought(asker, pairs, said):
    (verdict,) = Rating(asker(lambda question, seed: said)).verdicts(*pairs(("q", "text")))
    assert (verdict.feedback, verdict.value) == (None, None)
    assert verdict.failure


def test_some_failed_repeats_leave_the_others(asker, pairs):
    said = iter(["rating: 6", "what?", "what?", "rating: 8"])
    (verdict,) = Rating(asker(lambda question, seed: next(said)), repeats=3).verdicts(*pairs(("q", "text")))
    assert verdict.value == 7.0


def test_settings_that_make_no_sense_are_refused(asker, pairs):
    one = asker(lambda question, seed: "rating: 1")
    with pytest.raises(InputError, match="worst and a best"):
        Rating(one, scale=(5, 5))
    with pytest.raises(InputError, match="repeats"):
        Rating(one, repeats=0)
    with pytest.raises(InputError, match="2 completions"):
        Rating(one).judge(*pairs(("q", "a", "b")))


def test_a_scale_whose_grades_begin_alike_is_asked_in_words_where_first_tokens_are_all_there_is(asker, pairs):
    """ "1" begins "10" as well: by log-probs of first tokens a sure 1 became 4.03 of 10."""
    script = asker(lambda q, s: '{"rating": 1}', prefer=lambda q, o: dict.fromkeys(o, -1.0))
    script.sampler.by_first_token = True
    (verdict,) = Rating(script).verdicts(*pairs(("q", "a text")))
    assert verdict.feedback.metadata["by"] == "words"
    assert verdict.value == 1.0
    (verdict,) = Rating(script, scale=(1, 9)).verdicts(*pairs(("q", "a text")))
    assert verdict.feedback.metadata["by"] == "log-probs"
