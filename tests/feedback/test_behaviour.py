import numpy as np
import pytest

from burnish.errors import InputError
from burnish.feedback.behaviour import Exposure, actions, position_propensities, scores
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import SignalConfig, answers_of, signals_from
from burnish.feedback.votes import beta

ASKED = SignalConfig(kinds=("implicit",))


def entries(*rows):
    return [to_entry({"prompt": "Hi", **row}, (f"line {n}", 0), Given()) for n, row in enumerate(rows)]


def answers(*rows):
    return [answer for entry in entries(*rows) for answer in answers_of(entry)]


def shown(text, click, position=None, **more):
    exposure = {"exposure": {"position": position}} if position else {}
    return {"completion": text, "click": click, **exposure, **more}


def by_text(found):
    return {score.completion.text: score for score in found}


def test_behaviour_becomes_signals_only_where_it_is_asked_for():
    rows = entries(shown("A", True))
    assert signals_from(rows) == []
    (score,) = signals_from(rows, ASKED)
    assert (score.source, score.aspect) == ("implicit", "click")


def test_without_position_bias_it_is_the_beta_posterior():
    """Others' rate 1/2 and a prior of Beta(1, 1): the posterior of a thumb, moved to be a difference."""
    (score,) = scores(answers(*[shown("A", n < 6) for n in range(8)]), SignalConfig())
    mean, variance = beta(6, 2, 1.0)
    assert score.value == pytest.approx(4 * (mean - 0.5))
    # Buehlmann's variance is the posterior's expectation over the data, not the posterior at these data
    assert score.variance == pytest.approx(16 * (1 / 12) * (1 / 48) / (1 / 12 + 1 / 48))
    assert score.variance == pytest.approx(16 * variance, rel=0.3)


def test_an_action_where_few_look_counts_for_more():
    rows = [shown("top", n < 5, 1) for n in range(10)] + [shown("third", n < 3, 3) for n in range(10)]
    corrected = by_text(scores(answers(*rows), SignalConfig()))
    plain = by_text(scores(answers(*rows), SignalConfig(), Exposure(eta=0)))
    assert plain["third"].value < plain["top"].value
    assert corrected["third"].value > corrected["top"].value
    assert corrected["third"].variance > corrected["top"].variance


def test_a_stated_propensity_beats_the_position():
    rows = [shown("A", True) | {"exposure": {"position": 9, "propensity": 1.0}}, shown("B", False)]
    assert by_text(scores(answers(*rows), SignalConfig()))["A"].value == pytest.approx(
        by_text(scores(answers(shown("A", True), shown("B", False)), SignalConfig()))["A"].value
    )


def test_weights_are_clipped_and_the_bias_is_part_of_the_variance():
    deep = [shown("A", n == 0, 100) for n in range(400)] + [shown("B", n < 200) for n in range(400)]
    clipped = by_text(scores(answers(*deep), SignalConfig()))["A"]
    free = by_text(scores(answers(*deep), SignalConfig(), Exposure(most_weight=1e9)))["A"]
    # 1 of 400 at a place where 1 of 100 looks: r^ = 0.25, or 0.025 clipped at 10; both drawn towards others' 1/2
    assert free.reason == "click: 0.400 of those who look, others 0.500"
    assert clipped.reason == "click: 0.388 of those who look, others 0.500"
    assert 16 / 12 > clipped.variance > free.variance  # clipping says little, and knows that it does


def test_asking_again_speaks_against_a_text():
    rows = [{"completion": text, "regenerate": text == "bad"} for text in ("bad", "good") for _ in range(5)]
    found = by_text(scores(answers(*rows), SignalConfig()))
    assert found["bad"].value < 0 < found["good"].value


def test_looking_long_is_being_satisfied():
    assert actions({"dwell_seconds": 29.9, "click": True}) == {"click": True, "dwell": False}
    assert actions({"dwell_seconds": 30}) == {"dwell": True}


def test_every_showing_counts_so_that_a_purchase_is_not_undone_by_a_second_look():
    rows = [
        shown("A", True, author="ana", time="2026-01-01T00:00:00Z"),
        shown("A", False, author="ana", time="2026-01-02T00:00:00Z"),
        shown("B", False, author="ana", time="2026-01-01T00:00:00Z"),
        shown("B", False, author="ana", time="2026-01-02T00:00:00Z"),
    ]
    found = by_text(scores(answers(*rows), SignalConfig()))
    assert len(found["A"].feedback_ids) == 2
    assert found["A"].value > found["B"].value


def test_the_estimate_is_nearer_the_truth_than_the_plain_rate_and_its_variance_is_honest():
    """40 texts, 150 showings each; good texts stand lower, as a system that ranks badly would have it."""
    rng = np.random.default_rng(0)
    appeal = rng.uniform(0.1, 0.9, 40)
    position = 1 + np.argsort(np.argsort(appeal)) // 7
    rows = [
        shown(f"t{i:02}", bool(rng.random() < appeal[i] / position[i]), int(position[i]))
        for i in range(40)
        for _ in range(150)
    ]
    given = answers(*rows)

    def off(exposure):
        found = by_text(scores(given, SignalConfig(), exposure))
        value = np.array([found[f"t{i:02}"].value for i in range(40)])
        spread = np.array([found[f"t{i:02}"].variance for i in range(40)]) ** 0.5
        return np.corrcoef(value, appeal)[0, 1], np.abs(value - 4 * (appeal - appeal.mean())) / spread

    corrected, z = off(Exposure(eta=1))
    plain, _ = off(Exposure(eta=0))
    assert corrected > 0.85
    assert plain < 0.3
    assert (z < 2).mean() > 0.85  # 95% were the rate of the others known exactly


def test_position_propensities_are_found_where_texts_change_places():
    rng = np.random.default_rng(1)
    appeal, look = rng.uniform(0.2, 0.9, 30), {1: 1.0, 2: 0.6, 3: 0.3}
    texts = rng.integers(30, size=6000)
    positions = rng.integers(1, 4, size=6000)
    acted = rng.random(6000) < appeal[texts] * np.array([look[p] for p in positions])
    found = position_propensities(texts.tolist(), positions, acted)
    assert found == pytest.approx(look, abs=0.06)
    with pytest.raises(InputError, match="every text was always shown at one position"):
        position_propensities(["a", "b"], [1, 2], [True, False])


def test_impossible_exposures_are_refused():
    with pytest.raises(InputError, match="eta -1"):
        Exposure(eta=-1)
