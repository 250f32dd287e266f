import numpy as np
import pytest

from burnish.errors import InputError
from burnish.feedback.behaviour import actions, exposure_of, scores
from burnish.feedback.exposure import Exposure, estimated, position_propensities
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import SignalConfig, answers_of, signals_from
from burnish.feedback.votes import beta
from burnish.maths.propensity import Shown, above_others

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
    assert score.variance == pytest.approx(16 * variance, rel=0.15)  # of a linear estimate


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


def test_clipping_limits_what_a_deep_place_says_and_leaves_no_bias():
    # 1 of 400 at a place where 1 of 100 looks: a rate of 0.25, clipped or not, and one look's worth of doubt
    deep = [shown("A", n == 0, 100) for n in range(400)] + [shown("B", n < 200) for n in range(400)]
    clipped = by_text(scores(answers(*deep), SignalConfig()))["A"]
    free = by_text(scores(answers(*deep), SignalConfig(), Exposure(most_weight=1e9)))["A"]
    assert clipped.value == pytest.approx(free.value, rel=0.1)
    assert clipped.variance == pytest.approx(free.variance, rel=0.15)
    assert 0.5 < clipped.variance**0.5 < 16 * (1 / 12)
    # one action down there does not outvote a hundred at the top
    mixed = [shown("A", n < 100, 1) for n in range(1000)] + [shown("A", n == 0, 100) for n in range(10)]
    held = [shown("B", n < 100) for n in range(1000)]
    clipped = by_text(scores(answers(*mixed, *held), SignalConfig()))["A"]
    free = by_text(scores(answers(*mixed, *held), SignalConfig(), Exposure(most_weight=1e9)))["A"]
    assert abs(clipped.value) < 0.1 < free.value


def test_rates_above_one_do_not_end_all_doubt():
    """8 of 40 at position 1 and at position 8: 8 actions where 5 looks were expected tell little of the other text."""
    rows = [shown("A", n < 8, 1) for n in range(40)] + [shown("B", n < 8, 8) for n in range(40)]
    found = by_text(scores(answers(*rows), SignalConfig()))
    assert -2 < found["A"].value < -0.5
    assert 0.5 < found["A"].variance ** 0.5 < 1.2
    assert 0.5 < found["B"].variance ** 0.5 < 1.2


@pytest.mark.parametrize("position", [1, 3, 8])
@pytest.mark.parametrize("showings", [10, 40, 160])
def test_intervals_of_90_percent_hold_the_truth_90_times_in_100(position, showings):
    """300 times six texts, one at this position and five at positions 1 to 5; rates Beta(0.6, 1.4), clicks drawn."""
    rng = np.random.default_rng(100 * position + showings)
    looks = 1 / np.array([position, 1, 2, 3, 4, 5])
    weight = np.minimum(1 / looks, 10)
    within = []
    for _ in range(300):
        rate = rng.beta(0.6, 1.4, 6)
        acted = rng.binomial(showings, rate * looks)
        reached = showings * weight * looks
        sums = Shown(weight * acted, reached, weight * reached, reached * weight * looks, np.zeros(6))
        found = above_others(sums, 1.0)
        off = found.mean_I[0] - (rate[0] - rate[1:].mean())
        within.append(abs(off) < 1.645 * found.variance_I[0] ** 0.5)
    assert 0.85 < np.mean(within) < 0.97


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


def turns(looks, per_place, seed=2):
    """Showings of 20 texts at each of these positions, in turns; looked at as `looks` says."""
    rng = np.random.default_rng(seed)
    appeal = rng.uniform(0.3, 0.9, 20)
    return [
        shown(f"t{text}", bool(rng.random() < appeal[text] * look), place)
        for place, look in looks.items()
        for text in range(20)
        for _ in range(per_place)
    ]


def test_looks_are_estimated_where_texts_changed_places_and_that_is_told(capsys):
    looks = {1: 1.0, 2: 0.8, 3: 0.6}  # far from 1 / position
    found = exposure_of(answers(*turns(looks, 25), *[shown("deep", False, 9)] * 5))
    told = capsys.readouterr().err
    assert dict(found.by_position) == pytest.approx(looks, abs=0.1)
    assert found.propensity({"position": 9}) == pytest.approx(1 / 9)
    assert found.error({"position": 1}) == 0
    assert 0.03 < found.error({"position": 3}) < 0.15
    assert "by position, from 1,505 showings: 1: 1.00" in told
    assert "other positions: 1 / position" in told


def test_estimated_looks_are_what_signals_are_made_with():
    """One text at position 3 only and one at the top, equally good, where people look nearly as often at the third."""
    rows = turns({1: 1.0, 2: 0.9, 3: 0.8}, 25)
    rows += [shown("low", n < 48, 3) for n in range(100)] + [shown("high", n < 60, 1) for n in range(100)]
    found = by_text(signals_from(entries(*rows), ASKED))
    assert abs(found["low"].value - found["high"].value) < 0.5
    found = by_text(scores(answers(*rows), SignalConfig()))  # by 1 / position
    assert found["low"].value - found["high"].value > 1.5


def test_without_a_text_that_changed_places_it_is_one_over_position_and_that_is_told(capsys):
    found = exposure_of(answers(*[shown("A", n < 90, 1) for n in range(100)], *[shown("B", True, 2)] * 100))
    assert found == Exposure()
    assert "taken to be 1 / position. positions: no two of them hold 50 actions" in capsys.readouterr().err
    exposure_of(answers(*[shown("A", True, 1)] * 3, shown("B", False)))
    assert capsys.readouterr().err == ""  # everything at the top: there is nothing to correct


def test_positions_that_no_chain_of_texts_links_to_the_first_are_not_estimated():
    texts = ["a", "a", "b", "b"] * 100
    found = estimated(texts, [1, 2, 7, 8] * 100, [True] * 400)
    assert list(found.by_position) == [1, 2]
    with pytest.raises(InputError, match="no two of them hold 50 actions"):
        estimated(["a", "b"] * 100, [1, 2] * 100, [True] * 200)


def test_impossible_exposures_are_refused():
    with pytest.raises(InputError, match="eta -1"):
        Exposure(eta=-1)
