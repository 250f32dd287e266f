from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.maths.intervals import bootstrap_mean, bootstrap_pairs, paired_bootstrap, wilson


def test_bootstrap_matches_the_exact_distribution_of_all_resamples():
    values = [0.0, 1.0, 3.0, 7.0]
    every_mean = np.array([np.mean(drawn) for drawn in product(values, repeat=4)])  # all 256 resamples, equally likely
    low, high = np.quantile(every_mean, (0.025, 0.975))
    interval = bootstrap_mean(values, n=40_000, seed=3)
    assert interval.mean == pytest.approx(2.75)
    assert interval.low == pytest.approx(low, abs=0.26)  # the support has steps of 0.25
    assert interval.high == pytest.approx(high, abs=0.26)
    assert interval.n == 4


def test_bootstrap_half_width_is_that_of_the_normal_for_many_values():
    values = np.random.default_rng(0).normal(5, 2, 2_000)
    interval = bootstrap_mean(values, n=4_000)
    expected = 1.96 * values.std() / np.sqrt(2_000)
    assert interval.high - interval.low == pytest.approx(2 * expected, rel=0.06)


def test_same_seed_same_interval_and_the_global_generator_is_untouched():
    values = np.arange(30.0)
    np.random.seed(1)  # noqa: NPY002 - the global generator is what must stay untouched
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 -- as above
    assert bootstrap_mean(values, seed=5) == bootstrap_mean(values, seed=5)
    assert bootstrap_mean(values, seed=5) != bootstrap_mean(values, seed=6)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002 -- as above


def test_resamples_drawn_in_pieces_are_the_ones_drawn_at_once(monkeypatch):
    values = np.random.default_rng(2).normal(size=50)
    whole = bootstrap_mean(values, n=500, seed=9)
    monkeypatch.setattr("burnish.maths.intervals._CELLS", 50 * 7)
    assert bootstrap_mean(values, n=500, seed=9) == whole


def test_intervals_over_clusters_cover_and_intervals_over_rows_do_not():
    # 30 passages x 10 questions that share their passage's difficulty: 200 simulated studies of a true mean of 0
    generator = np.random.default_rng(11)
    clusters = np.repeat(np.arange(30), 10)
    covered = {"clusters": 0, "rows": 0}
    for study in range(200):
        values = generator.normal(size=30)[clusters] * 0.5 + generator.normal(size=300)
        for name, groups in (("clusters", clusters), ("rows", None)):
            interval = bootstrap_mean(values, groups, n=400, seed=study)
            covered[name] += interval.low <= 0 <= interval.high
    assert covered["clusters"] / 200 > 0.88
    assert covered["rows"] / 200 < 0.85


def test_clusters_of_unequal_size_are_weighed_by_size():
    interval = bootstrap_mean([1.0, 1.0, 1.0, 5.0], ["a", "a", "a", "b"])
    assert interval.mean == 2.0
    assert (interval.low, interval.high) == (1.0, 5.0)
    assert interval.n == 2


def test_paired_interval_is_that_of_the_differences():
    generator = np.random.default_rng(4)
    before = generator.normal(size=200) * 10
    after = before + 0.3 + 0.1 * generator.normal(size=200)
    interval = paired_bootstrap(before, after)
    assert interval.excludes_zero
    assert interval.mean == pytest.approx((after - before).mean())
    assert interval == bootstrap_mean(after - before)
    negated = paired_bootstrap(after, before)
    assert negated.mean == pytest.approx(-interval.mean)


def test_pairs_interval_is_wider_than_one_that_takes_pairs_for_independent():
    generator = np.random.default_rng(7)
    quality = generator.normal(size=60)
    noise = generator.normal(size=60) * 1.5  # an error of an item spoils all of its pairs
    first, second = generator.integers(60, size=(2, 4_000))
    first, second = first[first != second], second[first != second]
    right = ((quality + noise)[first] > (quality + noise)[second]) == (quality[first] > quality[second])
    over_items = bootstrap_pairs(right, first, second, n=500)
    over_pairs = bootstrap_mean(right, n=500)
    assert over_items.mean == pytest.approx(over_pairs.mean)
    assert over_items.n == 60
    assert over_items.high - over_items.low > 2 * (over_pairs.high - over_pairs.low)


def test_wilson_golden_numbers():
    # by hand: p = 0.1, z = 1.959964: centre (0.1 + 3.8415/20)/1.38415 = 0.211022, half 0.193187
    interval = wilson(1, 10)
    assert (interval.low, interval.high) == pytest.approx((0.017876, 0.404150), abs=2e-6)
    assert wilson(0, 20).low == 0.0
    assert wilson(20, 20).high == 1.0
    assert wilson(0.5, 1).mean == 0.5
    assert wilson(5, 10, confidence=0.5).high < wilson(5, 10).high


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 400), share=st.floats(0, 1))
def test_wilson_solves_its_own_equation_and_mirrors(n, share):
    successes = round(share * n)
    interval, mirrored = wilson(successes, n), wilson(n - successes, n)
    assert interval.low == pytest.approx(1 - mirrored.high)
    p = successes / n
    for bound in (interval.low, interval.high):  # |p - bound| = z sqrt(bound (1 - bound) / n)
        assert abs(p - bound) == pytest.approx(1.959964 * np.sqrt(bound * (1 - bound) / n), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.floats(-100, 100), min_size=2, max_size=12), shift=st.floats(-10, 10))
def test_interval_shifts_with_the_values_and_holds_the_extremes(values, shift):
    here = bootstrap_mean(values, n=200)
    there = bootstrap_mean(np.asarray(values) + shift, n=200)
    assert there.low == pytest.approx(here.low + shift, abs=1e-6)
    assert min(values) - 1e-9 <= here.low <= here.high <= max(values) + 1e-9


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bootstrap_mean([1.0]), "1 independent unit"),
        (lambda: bootstrap_mean([1.0, 2.0], ["a", "a"]), "1 independent unit"),
        (lambda: bootstrap_mean([1.0, float("nan")]), "not finite"),
        (lambda: bootstrap_mean([[1.0, 2.0]]), "one dimension"),
        (lambda: bootstrap_mean([1.0, 2.0], ["a"]), "clusters of shape"),
        (lambda: paired_bootstrap([1.0, 2.0], [1.0]), "2 values before but 1 after"),
        (lambda: bootstrap_pairs([1.0], [0], [1]), "2 different items"),
        (lambda: bootstrap_pairs([1.0, 0.0], [0], [1]), "2 values but 1 pairs"),
        (lambda: wilson(3, 2), "impossible"),
        (lambda: wilson(0, 0), "0 trials"),
    ],
)
def test_what_has_no_interval_is_refused_with_the_reason(call, said):
    with pytest.raises(InputError, match=said):
        call()
