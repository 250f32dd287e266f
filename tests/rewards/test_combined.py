import numpy as np
import pytest

from burnish.errors import InputError
from burnish.records import Completion, Prompt, Score, Span
from burnish.rewards.combined import Combined, Part, fit_weights
from burnish.rewards.normalised import Normalised
from burnish.rewards.normalised import fit as normalise


class Table:
    """`Reward` that looks a text's value up; None where it is not there."""

    def __init__(self, values, variance=None):
        self.values, self.variance = values, variance

    def score(self, prompts, completions):
        found = [self.values.get(completion.text) for completion in completions]
        return [
            Score(p, c, v, variance=self.variance, source="table", reason="" if v is not None else "nobody knows",
                  spans=(Span(0, 1),))
            for p, c, v in zip(prompts, completions, found, strict=True)
        ]  # fmt: skip


def asked(*groups):
    prompts, completions = [], []
    for number, group in enumerate(groups):
        for text in group:
            prompts.append(Prompt.of(f"q{number}"))
            completions.append(Completion(prompts[-1].id, text))
    return prompts, completions


WIDE = Table({"a": 100.0, "b": 0.0, "c": 50.0})
NARROW = Table({"a": 0.0, "b": 1.0, "c": 0.9})


def values(reward, *groups):
    return [score.value for score in reward.score(*asked(*groups))]


def test_sum_then_normalise_is_not_normalise_then_sum():
    """Trap T17: unscaled, the wide reward decides alone; scaled, equal weights are equal."""
    parts = (Part("wide", WIDE), Part("narrow", NARROW))
    plain = values(Combined(parts, scale="none"), "abc")
    assert plain == [100.0, 1.0, 50.9]
    grouped = values(Combined(parts, scale="group"), "abc")
    # by hand: wide has mean 50, spread 50: 1, -1, 0; narrow mean 19/30, spread sqrt(0.91/3)
    spread = np.std([0, 1, 0.9], ddof=1)
    assert grouped == pytest.approx([1 - (19 / 30) / spread, -1 + (11 / 30) / spread, (8 / 30) / spread])
    assert np.argmax(plain) != np.argmax(grouped)


def test_groups_are_those_of_the_prompts_and_a_group_all_alike_is_nought():
    reward = Combined((Part("wide", WIDE),), scale="group")
    assert values(reward, "ab", "aa") == pytest.approx([np.sqrt(0.5), -np.sqrt(0.5), 0.0, 0.0])


def test_fixed_scales_and_weights_with_the_reasons():
    parts = (Part("wide", WIDE, 0.5, mean=50.0, std=50.0), Part("narrow", Table({"a": 0.2}, 0.04), 2.0, std=0.5))
    (score,) = Combined(parts).score(*asked("a"))
    assert score.value == pytest.approx(0.5 * 1 + 2 * 0.4)
    assert score.reason == "wide +1.000 x 0.5; narrow +0.400 x 2"
    assert score.variance is None  # one part states none
    assert len(score.spans) == 2
    sure = tuple(Part(name, Table({"a": 1.0}, 0.09), weight) for name, weight in (("x", 1.0), ("y", 2.0)))
    assert Combined(sure).score(*asked("a"))[0].variance == pytest.approx(0.09 + 4 * 0.09)


class PaidByToken:
    """Pays each letter of a text by its place, 1, 2, ..., and 10 at the end; "?" is not scored."""

    def score(self, prompts, completions):
        return [self._one(*each) for each in zip(prompts, completions, strict=True)]

    def _one(self, prompt, completion):
        if completion.text == "?":
            return Score(prompt, completion, None, reason="asked back")
        parts = tuple(Span(i, i + 1, severity=i + 1.0) for i in range(len(completion.text)))
        return Score(prompt, completion, 10 + sum(part.severity for part in parts), token_rewards=parts)


def test_what_is_paid_by_token_is_weighed_and_divided_where_it_stands():
    parts = (Part("by token", PaidByToken(), 0.5, mean=3.0, std=2.0), Part("wide", Table({"ab": 1.0}), 4.0))
    (score,) = Combined(parts).score(*asked(["ab"]))
    assert [part.severity for part in score.token_rewards] == [0.25, 0.5]
    assert score.value == pytest.approx(
        0.5 * (13 - 3) / 2 + 4
    )  # the rest, 4.25 + 2 less what the mean takes, at the end
    more = (*parts, Part("none", Table({}), 1.5))
    (score,) = Combined(more, missing="reweigh").score(*asked(["ab"]))
    assert [part.severity for part in score.token_rewards] == pytest.approx([0.25 * 6 / 4.5, 0.5 * 6 / 4.5])
    (score,) = Combined(more).score(*asked(["ab"]))
    assert (score.value, score.token_rewards) == (None, ())
    (score,) = Combined(parts, missing="reweigh", enough=0.1).score(*asked("?"))
    assert score.token_rewards == ()


def test_a_scale_of_its_own_divides_what_is_paid_by_token():
    known, unknown = Normalised(PaidByToken(), mean=3.0, std=2.0, clip=4.0).score(*asked(["ab", "?"]))
    assert (known.value, [part.severity for part in known.token_rewards]) == (4.0, [0.5, 1.0])
    assert (unknown.value, unknown.token_rewards) == (None, ())


def test_abstaining_is_not_nought():
    parts = (Part("wide", WIDE, 1.0), Part("none", Table({}), 1.0), Part("narrow", NARROW, 2.0))
    (score,) = Combined(parts, scale="none").score(*asked("a"))
    assert (score.value, score.reason) == (None, "none not scored (nobody knows)")
    (score,) = Combined(parts, scale="none", missing="reweigh").score(*asked("a"))
    assert score.value == pytest.approx((100 + 0) * 4 / 3)  # the others' weighted mean, times all the weight
    assert "none not scored" in score.reason
    most = (Part("none", Table({}), 3.0), Part("narrow", NARROW))
    assert values(Combined(most, missing="reweigh"), "a") == [None]
    assert values(Combined((Part("none", Table({})),), missing="reweigh"), "a") == [None]


def test_weights_follow_the_step():
    reward = Combined((Part("wide", WIDE, ((0, 1.0), (100, 0.0))),), scale="none")
    assert [values(reward.at(step), "a")[0] for step in (0, 25, 100, 999)] == [100.0, 75.0, 0.0, 0.0]


def test_a_vector_keeps_the_aspects_apart():
    (row,) = Combined((Part("wide", WIDE, aspect="size"), Part("narrow", NARROW, 7.0))).vector(*asked("b"))
    assert [(score.aspect, score.value) for score in row] == [("size", 0.0), ("narrow", 1.0)]


def test_weights_fitted_to_people_s_grades_recover_what_they_value():
    draw = np.random.default_rng(0)
    texts = [f"t{i}" for i in range(150)]
    good, fun, noise = draw.normal(size=(3, 150))
    tables = [
        Table(dict(zip(texts, column * scale, strict=True))) for column, scale in ((good, 10), (fun, 0.1), (noise, 1))
    ]
    people = 2 * good + 1 * fun + 0.5 * draw.normal(size=150) + 3
    parts = tuple(Part(name, table) for name, table in zip(("good", "fun", "noise"), tables, strict=True))
    prompts = [Prompt.of(text) for text in texts]
    completions = [Completion(prompt.id, text) for prompt, text in zip(prompts, texts, strict=True)]
    reward, found = fit_weights(Combined(parts), prompts, completions, people.tolist())
    assert [part.weight for part in reward.parts] == pytest.approx([2 * good.std(), fun.std(), 0.0], abs=0.15)
    assert found.interval("good").excludes_zero
    assert not found.interval("noise").low > 0
    predicted = [score.value for score in reward.score(prompts, completions)]
    assert np.corrcoef(predicted, people)[0, 1] > 0.95


def test_normalising_is_fitted_once_and_clips():
    reward = normalise(WIDE, WIDE.score(*asked("abc")), clip=0.9)
    assert (reward.mean, reward.std) == (50.0, 50.0)
    scores = reward.score(*asked("acx"))
    assert [score.value for score in scores] == [0.9, 0.0, None]
    assert scores[0].reason == "clipped from +1.00"
    assert Normalised(Table({"a": 4.0}, 1.0), 0.0, 2.0).score(*asked("a"))[0].variance == 0.25
    with pytest.raises(InputError, match="without spread"):
        normalise(WIDE, WIDE.score(*asked("aa")))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="names of their own"):
        Combined((Part("a", WIDE), Part("a", WIDE)))
    with pytest.raises(InputError, match="above 0"):
        Combined((Part("a", WIDE, std=0.0),))
    with pytest.raises(InputError, match="do not ascend"):
        Combined((Part("a", WIDE, ((5, 1.0), (1, 0.0))),))
