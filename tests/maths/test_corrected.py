import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.maths.corrected import kappa, prediction_powered, recalibrate, rogan_gladen


def judged_by(truth, sensitivity, specificity, draw):
    chance = np.where(truth == 1, sensitivity, 1 - specificity)
    return (draw.random(len(truth)) < chance).astype(float)


def test_a_rate_is_corrected_by_hand():
    # 10 yes of people: the judge says 8 of them; 10 no: the judge says 3 of them. With a pseudo-item each way:
    # q1 = 9/12, q0 = 8/12, so theta = (0.5 + 2/3 - 1) / (3/4 + 2/3 - 1) = 0.4
    people = [1] * 10 + [0] * 10
    judge = [1] * 8 + [0] * 2 + [1] * 3 + [0] * 7
    found = rogan_gladen([1, 0] * 50, judge, people)
    assert found.uncorrected == 0.5
    assert found.corrected.mean == pytest.approx(0.4)
    variance = (0.25 / 100 + 0.36 * (2 / 3) * (1 / 3) / 10 + 0.16 * 0.75 * 0.25 / 10) / (5 / 12) ** 2
    assert found.corrected.high - found.corrected.low == pytest.approx(2 * 1.959964 * np.sqrt(variance), rel=1e-5)


@pytest.mark.parametrize("rate", [0.2, 0.8])
def test_intervals_of_both_corrections_hold_the_truth_and_the_judge_alone_does_not(rate):
    """300 studies of 600 judged and 150 answered items, judge right on 85% of yes and 70% of no."""
    draw, held, plain = np.random.default_rng(5), [], []
    for _ in range(300):
        truth = (draw.random(750) < rate).astype(float)
        judge = judged_by(truth, 0.85, 0.7, draw)
        rate_of = rogan_gladen(judge[150:], judge[:150], truth[:150])
        mean_of = prediction_powered(judge[150:], judge[:150], truth[:150])
        held.append([each.corrected.low <= rate <= each.corrected.high for each in (rate_of, mean_of)])
        half = 1.96 * np.sqrt(judge.mean() * (1 - judge.mean()) / len(judge))
        plain.append(abs(judge.mean() - rate) <= half)
    # 300 studies at 95% stray by 1.3 points
    assert np.mean(held, axis=0) == pytest.approx([0.95, 0.95], abs=0.04)
    assert np.mean(plain) < 0.4


def test_a_judge_that_helps_narrows_the_interval_and_one_that_does_not_changes_nothing():
    draw = np.random.default_rng(0)
    truth = draw.normal(size=1100)
    good = truth + 0.3 * draw.normal(size=1100) + 0.7  # leans up by 0.7, which is corrected
    found = prediction_powered(good[100:], good[:100], truth[:100])
    assert found.gain > 4
    assert found.corrected.mean == pytest.approx(0.0, abs=0.15)
    deaf = prediction_powered(np.ones(1000), np.ones(100), truth[:100])
    assert deaf.corrected.mean == pytest.approx(truth[:100].mean())
    assert deaf.gain == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(st.floats(-5, 5), st.floats(0.1, 3))
def test_moving_and_stretching_the_judge_s_scale_changes_no_corrected_mean(shift, stretch):
    draw = np.random.default_rng(1)
    truth = draw.normal(size=60)
    judge = truth + draw.normal(size=60)
    plain = prediction_powered(judge[20:], judge[:20], truth[:20]).corrected
    moved = prediction_powered(judge[20:] * stretch + shift, judge[:20] * stretch + shift, truth[:20]).corrected
    assert (moved.mean, moved.low) == pytest.approx((plain.mean, plain.low))


def test_what_corrects_nothing_is_refused():
    draw = np.random.default_rng(0)
    people = (draw.random(200) < 0.5).astype(float)
    with pytest.raises(InputError, match="hardly better than a coin"):
        rogan_gladen(people, 1 - people, people)
    with pytest.raises(InputError, match="same answer to every item"):
        rogan_gladen([1, 0], [1, 1], [1, 1])
    with pytest.raises(InputError, match="0 or 1"):
        rogan_gladen([0.5], [1, 0], [1, 0])
    with pytest.raises(InputError, match="at least three"):
        prediction_powered([1.0], [1, 0], [1, 0])
    with pytest.raises(InputError, match="same items"):
        prediction_powered([1.0], [1, 0, 0], [1, 0])


def test_a_judge_that_is_too_sure_and_leans_is_put_right():
    draw = np.random.default_rng(3)
    logit = draw.normal(size=20_000) * 2
    said = 1 / (1 + np.exp(-logit))
    people = (draw.random(20_000) < 1 / (1 + np.exp(-(0.4 * logit - 0.5)))).astype(float)
    found = recalibrate(said, people)
    assert (found.slope, found.offset) == pytest.approx((0.4, -0.5), abs=0.04)
    assert np.mean(found(said)) == pytest.approx(people.mean(), abs=1e-4)  # the likelihood's own condition
    separable = recalibrate([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    assert np.isfinite(separable.slope)


def test_kappa_by_hand():
    # agreed 3 of 4; by chance 0.5 * 0.75 + 0.5 * 0.25 = 0.5
    assert kappa([1, 1, 0, 0], [1, 1, 1, 0]) == pytest.approx((0.75 - 0.5) / 0.5)
    assert np.isnan(kappa([1, 1], [1, 1]))


def test_recalibration_finds_the_top_also_where_a_full_step_jumps_past_it():
    """A judge of 99% and 1% that is right in about four of five: full Newton steps swing and never settle."""
    for seed in range(20):
        draw = np.random.default_rng(seed)
        told = np.where(draw.random(150) < 0.5, 0.99, 0.01)
        people = (draw.random(150) < np.where(told > 0.5, 0.8, 0.2)).astype(float)
        found = recalibrate(told, people)
        for level in (0.01, 0.99):  # two levels, two parameters: the fit goes through both shares
            assert float(found([level])[0]) == pytest.approx(people[told == level].mean(), abs=0.001)
