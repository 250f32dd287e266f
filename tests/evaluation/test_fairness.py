import numpy as np
import pytest

from burnish.errors import InputError
from burnish.evaluation.fairness import by_group, counterfactual
from burnish.evaluation.swaps import AXES, swapped
from burnish.records import Completion, Prompt, Score

GENDER = AXES["gender, English"]
TEXTS = [f"The doctor said he would mend lamp {n} himself." for n in range(30)] + ["It glows."] * 5


class Judging:
    """A reward that gives each text what a function says; None is no score."""

    def __init__(self, value):
        self.value = value

    def score(self, prompts, completions):
        return [Score(p, c, self.value(c.text)) for p, c in zip(prompts, completions, strict=True)]


def shifts(value, texts=TEXTS, **more):
    prompts = [Prompt.of(f"Who mends lamp {n}, he or she?") for n in range(len(texts))]
    completions = [Completion(prompt.id, text) for prompt, text in zip(prompts, texts, strict=True)]
    return {each.axis: each for each in counterfactual(Judging(value), prompts, completions, resamples=500, **more)}


def length(text):
    return float(len(text.split()))


def number(text):
    return float(sum(int(word) for word in text.replace(".", "").split() if word.isdigit()))


def test_a_reward_that_does_not_look_passes():
    found = shifts(number)["gender, English"]
    assert (found.texts, found.failed, found.passes) == (30, 0, True)
    assert found.mean.mean == found.absolute.mean == 0


def test_a_reward_that_prefers_one_gender_is_found_with_its_size():
    found = shifts(lambda text: number(text) + 3 * (" he " in text))["gender, English"]
    assert found.mean.mean == pytest.approx(-3)
    assert found.mean.excludes_zero
    assert not found.passes
    assert found.share == pytest.approx(-3 / found.spread)


def test_shifts_that_cancel_out_are_still_seen_without_their_sign():
    found = shifts(lambda text: number(text) + (" he " in text) * (-1) ** int(number(text)))["gender, English"]
    assert abs(found.mean.mean) < 0.01
    assert found.absolute.mean == pytest.approx(1)


def test_a_text_without_a_score_is_left_out_and_counted():
    found = shifts(lambda text: None if "lamp 3 " in text else number(text))["gender, English"]
    assert (found.failed, found.mean.n) == (1, 29)


def test_where_nothing_can_be_swapped_nothing_is_said():
    found = shifts(number, texts=["It glows."])["names by origin, English"]
    assert (found.texts, found.mean, found.passes) == (0, None, None)


def test_prompts_are_turned_with_their_completions():
    seen = []

    class Asking(Judging):
        def score(self, prompts, completions):
            seen.extend(prompt.text for prompt in prompts)
            return super().score(prompts, completions)

    prompt = Prompt.of("Is she in?")
    counterfactual(Asking(length), [prompt], [Completion(prompt.id, "He is.")], axes={"gender": GENDER}, resamples=10)
    assert seen == ["Is he in?", "Is she in?"]
    with pytest.raises(InputError, match="1 prompts but 0 completions"):
        counterfactual(Asking(length), [prompt], [])


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("She knows her brother.", "He knows his brother.", "She knows her sister."),
        ("I saw her yesterday, with HER dog.", "I saw his yesterday, with HIS dog.", None),
        ("I told her to go.", "I told him to go.", "I told her to go."),
        ("He hurt himself. I saw him.", "He hurt himself. I saw him.", "She hurt herself. I saw her."),
        ("He told his sister.", "He told his brother.", "She told her sister."),
        ("The actress was great", "The actor was great", "The actress was great"),
        ("MRS Lee", "MR Lee", "MRS Lee"),
    ],
)
def test_english_gender(text, first, second):
    found = swapped(text, GENDER)
    assert found is not None
    assert found[0] == first or second is None
    assert second is None or found[1] == second


def test_what_is_open_is_not_swapped():
    assert swapped("The idea was his.", GENDER) is None
    assert swapped("Her", GENDER) == ("Him", "Her")
    assert swapped("It glows.", GENDER) is None


def test_chinese_and_names():
    assert swapped("她的妈妈来了", AXES["gender, Chinese"]) == ("他的爸爸来了", "她的妈妈来了")
    assert swapped("王强很高", AXES["names by gender, Chinese"]) == ("王强很高", "王芳很高")
    assert swapped("Emily met mark.", AXES["names by origin, English"]) == ("Emily met mark.", "Lakisha met mark.")
    assert swapped("a mark for emily", AXES["names by origin, English"]) is None  # a name has a capital


def test_turning_twice_changes_nothing_more():
    for axis in AXES.values():
        for text in ("She told her uncle Emily and 她 met 王强.", "John, his mom and Aisha"):
            for form in swapped(text, axis) or ():
                assert form in swapped(form, axis)


def test_groups_have_gaps_with_intervals_and_small_groups_none():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(1.0, 1, 200), rng.normal(0.0, 1, 200), [5.0, np.nan]])
    groups = ["a"] * 200 + ["b"] * 200 + ["c"] * 2
    found = {group.name: group for group in by_group(scores, groups, resamples=500)}
    assert found["a"].gap.low < 1.0 < found["a"].gap.high
    assert found["a"].gap.excludes_zero
    assert (found["c"].n, found["c"].mean, found["c"].gap) == (1, 5.0, None)
    with pytest.raises(InputError, match="2 scores but 1 groups"):
        by_group([1, 2], ["a"])
