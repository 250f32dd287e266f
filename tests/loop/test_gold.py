"""The judge that chooses nothing: what it makes of comparisons, and that its parts never meet."""

from __future__ import annotations

import math

import numpy as np
import pytest

from burnish.feedback.evidence import Evidence
from burnish.loop.gold import Gold, _accuracy, _as_scores, _parted, learn
from burnish.loop.recipe import GoldSettings, Recipe
from burnish.models.words_reward import WordsReward
from burnish.records import Completion, Preference, Prompt, Score


def completion(text: str) -> Completion:
    return Completion("p", text)


def pair(better: str, worse: str, *, prompt: str = "x", **more) -> Preference:
    return Preference(Prompt.of(prompt), (completion(better), completion(worse)), more.pop("ranks", (0, 1)), **more)


def test_compared_texts_are_their_log_odds_apart():
    texts, values, weights = _as_scores([pair("good", "bad", probability=0.75, weight=0.4)])
    # by hand: log(0.75 / 0.25) = 1.0986 logits of 1.5 rating units each, half of it above 0, half below
    assert dict(zip(texts, values, strict=True)) == pytest.approx({"good": 0.82396, "bad": -0.82396}, abs=1e-4)
    assert weights == [0.4, 0.4]


def test_a_tie_says_nothing_of_which_is_better():
    """The alphabet must not decide it."""
    _, values, _ = _as_scores([pair("aa", "zz", ranks=(0, 0), probability=0.5)])
    assert values == [0.0, 0.0]


def test_near_ties_stay_near_and_certainty_has_an_end():
    def gap(chance: float) -> float:
        _, values, _ = _as_scores([pair("a", "b", probability=chance)])
        return values[0] - values[1]

    assert gap(0.52) == pytest.approx(1.5 * math.log(0.52 / 0.48))
    assert gap(1.0) == gap(0.98)
    assert gap(0.52) < gap(0.7) < gap(0.98)


def test_a_ranking_keeps_its_order_and_its_ties():
    four = Preference(Prompt.of("x"), tuple(map(completion, "abcd")), (1, 0, 1, None))
    texts, values, _ = _as_scores([four])
    found = dict(zip(texts, values, strict=True))
    assert set(found) == {"a", "b", "c"}  # nobody placed d
    assert found["b"] > found["a"] == found["c"]
    assert sum(values) == pytest.approx(0.0)


def test_unsure_scores_and_light_ones_weigh_less():
    prompt = Prompt.of("x")
    signals = [
        Score(prompt, completion("a"), 1.0, variance=0.0),
        Score(prompt, completion("b"), 1.0, variance=0.5),
        Score(prompt, completion("c"), 1.0, variance=0.0, weight=0.5),
    ]
    _, _, weights = _as_scores(signals)
    assert weights == pytest.approx([2.0, 1.0, 1.0])


def test_what_belongs_together_is_parted_together():
    signals = [pair(f"good {n}", f"bad {n}", prompt=f"asked {n // 5}") for n in range(300)]
    shown, held = _parted(signals)
    assert len(shown) + len(held) == 300
    assert held
    assert not {s.prompt.id for s in shown} & {s.prompt.id for s in held}


@pytest.mark.parametrize("number", range(10))
def test_one_prompt_is_parted_by_text(number):
    """Wherever the hash of the only prompt falls."""
    signals = [pair(f"good {n}", f"bad {n}", prompt=f"only {number}") for n in range(300)]
    shown, held = _parted(signals)
    assert 200 < len(shown) < 300
    assert len(shown) + len(held) == 300


def test_one_text_said_many_times_is_all_shown():
    signals = [pair("good", "bad")] * 50
    assert _parted(signals) == (signals, [])


class Told:
    """A judge that knows good from bad."""

    def rate(self, texts):
        return np.array([float("good" in text) for text in texts])


def test_it_is_measured_on_comparisons_where_nobody_rated():
    test = tuple(pair(f"good {n}", f"bad {n}", prompt=f"asked {n}") for n in range(40))
    wrong = tuple(pair(f"bad {n}", f"good {n}", prompt=f"other {n}") for n in range(10))
    found = _accuracy(Told(), Evidence(fit=(), test=test + wrong))
    assert found["pair_accuracy"] == pytest.approx(0.8)
    assert found["ci95"][0] < 0.8 < found["ci95"][1]
    assert _accuracy(Told(), Evidence(fit=(), test=test[:5])) == {"pair_accuracy": None, "ci95": None}


def test_it_learns_from_comparisons_in_chinese(tmp_path):
    """No spaces, no word twice: characters are what it has."""
    signals = tuple(
        pair(f"这盏灯真好{chr(0x4E00 + n)}", f"这盏灯很差{chr(0x5E00 + n)}", prompt=f"{n}", probability=0.9)
        for n in range(240)
    )
    recipe = Recipe(gold=GoldSettings(encoder=""))
    evidence = Evidence(fit=(), test=signals[200:], gold=signals[:200])
    learn(tmp_path / "gold", None, evidence, recipe, work=tmp_path / "work", check_stop=lambda _: None)
    good, bad = Gold.load(tmp_path / "gold").rate(["这本书真好", "这本书很差"])
    assert good > bad + 1


@pytest.mark.parametrize("texts", [["!!!", "???"], ["😀", "😡"] * 80])
def test_texts_without_words_get_the_mean(texts, tmp_path):
    values = [1.0, 3.0] * (len(texts) // 2)
    words = WordsReward.fit(texts, values, [1.0] * len(texts))
    words.save(tmp_path / "words")
    assert WordsReward.load(tmp_path / "words").predict(["anything", "!!!"]).tolist() == [2.0, 2.0]
