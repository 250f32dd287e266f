"""Forecasts: what is known of them, and that their intervals hold what they promise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback.forecast import DAY, HOUR, LOOK_BACK, forecast

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
THIS = int(NOW.timestamp() // 3600)


def days(*counts: int) -> dict[int, int]:
    """Answers of so many days, the last one ending now, each in one hour of its day."""
    return {THIS - 24 * ago - 3: count for ago, count in enumerate(reversed(counts))} | {THIS - 24 * len(counts) + 1: 1}


def test_an_even_pace_has_a_narrow_range():
    found = forecast({THIS - ago: 10 for ago in range(7 * 24)}, 2400, NOW)
    assert found is not None
    assert (found.step, found.seen, found.per_step, found.steps) == (DAY, 7, 240, 10)
    assert (found.low, found.high) == (10, 10)


def test_a_young_study_is_told_in_hours():
    found = forecast({THIS - ago: 6 for ago in range(5)}, 30, NOW)
    assert found is not None
    assert (found.step, found.seen, found.steps) == (HOUR, 5, 5)


def test_quiet_days_count_and_make_it_later_and_wider():
    even = forecast(days(50, 50, 50, 50, 50, 50), 500, NOW)
    quiet = forecast(days(100, 0, 100, 0, 100, 0), 500, NOW)
    assert even is not None
    assert quiet is not None
    assert even.high is not None
    assert quiet.steps == pytest.approx(even.steps, rel=0.01)
    assert quiet.high is None or quiet.high - quiet.low > even.high - even.low


def test_of_a_pace_that_varies_too_much_no_end_is_told():
    found = forecast(days(0, 0, 0, 0, 0, 300), 20, NOW)
    assert found is not None
    assert found.high is None


@pytest.mark.parametrize("by_hour", [{}, {THIS: 5}, {THIS - 1: 5, THIS: 5}, {THIS - LOOK_BACK // HOUR: 900}])
def test_too_little_is_said_to_be_too_little(by_hour):
    assert forecast(by_hour, 100, NOW) is None


def test_where_nothing_is_missing_nothing_is_foretold():
    assert forecast(days(9, 9, 9, 9), 0, NOW) is None


@given(st.lists(st.integers(0, 500), min_size=4, max_size=14), st.integers(1, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_range_holds_the_middle_and_more_answers_take_longer(counts, left):
    found, more = forecast(days(*counts), left, NOW), forecast(days(*counts), 2 * left, NOW)
    assert found is not None
    assert more is not None
    assert 0 < found.low <= found.steps * 1.05
    assert found.high is None or found.high >= found.steps * 0.95
    assert more.steps == pytest.approx(2 * found.steps)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Days of 40 answers, more and less as chance has it: 500 studies, foretold after ten days, then lived through."""
    draw = np.random.default_rng(1)
    held = 0
    for study in range(500):
        counts = draw.negative_binomial(4, 4 / 44, size=10 + 200)  # mean 40, spread 21
        found = forecast(days(*(int(each) for each in counts[:10])), 600, NOW, seed=study)
        assert found is not None
        needed = int(np.searchsorted(np.cumsum(counts[10:]), 600)) + 1
        held += found.low - 1 <= needed <= (found.high or 1e9) + 1  # a day is not divided by who lives through it
    assert 0.92 < held / 500 < 0.99


def test_the_look_back_is_two_whole_weeks():
    assert timedelta(days=14) == LOOK_BACK
