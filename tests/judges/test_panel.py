import json

import pytest

from burnish.errors import InputError
from burnish.judges.comparison import Comparison
from burnish.judges.panel import Panel
from burnish.judges.rating import Rating
from burnish.models.answering import Failure
from burnish.store import Entry, check


def raters(asker, *said):
    return tuple(Rating(asker(lambda q, s, word=word: word, name=f"m{i}")) for i, word in enumerate(said))


def test_the_mean_of_the_members_and_the_variance_of_that_mean(asker, pairs):
    panel = Panel(raters(asker, "rating: 4", "rating: 7", "rating: 10"))
    prompts, groups = pairs(("q", "text"))
    (verdict,) = panel.verdicts(prompts, groups)
    assert verdict.value == 7.0
    assert verdict.variance == pytest.approx(9 / 3)  # spread of 4, 7, 10 is 9
    assert verdict.feedback.value == {"rating": 7.0, "scale": [1, 10]}
    assert verdict.feedback.author.kind == "ai"
    assert len(panel.members_verdicts(prompts, groups)) == 3
    check(Entry(prompts[0], tuple(groups[0]), (verdict.feedback,)))


def test_a_member_that_failed_is_left_out_and_too_few_is_a_failure(asker, pairs):
    one = Panel(raters(asker, "rating: 4", Failure("down"), "rating: 8")).verdicts(*pairs(("q", "text")))[0]
    assert one.value == 6.0
    assert [part.value for part in one.parts] == [4.0, None, 8.0]
    few = Panel(raters(asker, "rating: 4", Failure("down"), Failure("down"))).verdicts(*pairs(("q", "text")))[0]
    assert (few.feedback, few.value) == (None, None)
    assert few.failure == "no quorum: 1 of 3 answered (down)"


def test_comparisons_are_pooled_by_probability(asker, pairs, by_length, shown, labels):
    def shorter(question, seed):
        first, second = shown(question)
        return json.dumps({"verdict": labels(question)[len(second) < len(first)]})

    sure = Comparison(asker(by_length, name="sure"), repeats=5)
    panel = Panel((sure, Comparison(asker(shorter, name="s"))))
    (verdict,) = panel.verdicts(*pairs(("q", "a", "longer")))
    assert verdict.value == pytest.approx((1 / 7 + 2 / 3) / 2)
    assert verdict.feedback.value == {"chosen": 1}


def test_members_that_all_go_by_the_place_choose_nothing(asker, pairs, labels):
    def first(question, seed):
        return json.dumps({"verdict": labels(question)[0]})

    panel = Panel(tuple(Comparison(asker(first, name=name)) for name in ("a", "b")))
    (verdict,) = panel.verdicts(*pairs(("q", "a", "longer")))
    assert (verdict.feedback.value, verdict.consistent) == ({"cannot_judge": True}, False)


def test_what_cannot_be_pooled_is_refused(asker, pairs):
    one = Rating(asker(lambda q, s: "rating: 3"))
    with pytest.raises(InputError, match="sits twice"):
        Panel((one, one))
    with pytest.raises(InputError, match="quorum"):
        Panel((one,))
    other = Rating(asker(lambda q, s: "rating: 3", name="o"), scale=(1, 5))
    with pytest.raises(InputError, match="different forms or scales"):
        Panel((one, other)).verdicts(*pairs(("q", "text")))
