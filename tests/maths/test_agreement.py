from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.maths.agreement import alpha, count, from_matrix

# The worked example of Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section D: four observers,
# twelve units, values 1 to 5, missing data; it gives alpha nominal 0.743, ordinal 0.815, interval 0.849.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def long_form(reliability):
    rows = [(unit, value) for row in reliability for unit, value in enumerate(row) if value is not None]
    return [unit for unit, _ in rows], [value for _, value in rows]


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_published_example(metric, published):
    agreement = alpha(count(*long_form(PUBLISHED)), metric)
    assert agreement.alpha == pytest.approx(published, abs=5e-4)
    assert (agreement.units, agreement.dropped, agreement.answers) == (11, 1, 40)
    assert agreement.low < agreement.alpha < agreement.high
    assert agreement.reason == ""


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("seed", range(5))
def test_same_as_the_krippendorff_package(metric, seed):
    krippendorff = pytest.importorskip("krippendorff")
    generator = np.random.default_rng(seed)
    data = np.clip(np.round(generator.normal(size=40) + generator.normal(size=(6, 40))), -3, 3)
    data[generator.random(data.shape) < 0.4] = np.nan
    rows = [(unit, value) for row in data for unit, value in enumerate(row) if not np.isnan(value)]
    ours = alpha(count(*zip(*rows, strict=True)), metric, resamples=0)
    theirs = krippendorff.alpha(reliability_data=data, level_of_measurement=metric)
    assert ours.alpha == pytest.approx(theirs, abs=1e-12)


def slow_alpha(units, distance):
    """Alpha as its definition reads: every ordered pair of answers, one by one."""
    pooled = [value for unit in units for value in unit]
    n = len(pooled)
    observed = sum(sum(distance(a, b) for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / n
    expected = sum(distance(a, b) for a, b in permutations(pooled, 2)) / (n * (n - 1))
    return 1 - observed / expected


def units_of_answers():
    return st.lists(st.lists(st.integers(-4, 4), min_size=2, max_size=5), min_size=2, max_size=7)


@settings(max_examples=50, deadline=None)
@given(units=units_of_answers(), metric=st.sampled_from(["nominal", "ordinal", "interval"]))
def test_same_as_the_definition(units, metric):
    pooled = [value for unit in units for value in unit]
    assume(len(set(pooled)) > 1)

    def distance(a, b):
        if metric == "nominal":
            return float(a != b)
        if metric == "interval":
            return float((a - b) ** 2)
        low, high = sorted((a, b))
        between = sum(low <= value <= high for value in pooled)
        return (between - (pooled.count(a) + pooled.count(b)) / 2) ** 2 if a != b else 0.0

    ours = alpha(count(np.repeat(range(len(units)), [len(unit) for unit in units]), pooled), metric, resamples=0)
    assert ours.alpha == pytest.approx(slow_alpha(units, distance), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(units=units_of_answers(), seed=st.integers(0, 99))
def test_order_of_answers_and_linear_scale_do_not_matter(units, seed):
    pooled = np.array([value for unit in units for value in unit], dtype=float)
    assume(len(set(pooled)) > 1)
    codes = np.repeat(range(len(units)), [len(unit) for unit in units])
    order = np.random.default_rng(seed).permutation(len(pooled))
    here = alpha(count(codes, pooled), "interval", resamples=0).alpha
    there = alpha(count(codes[order], 1e6 + 10 * pooled[order]), "interval", resamples=0).alpha
    assert there == pytest.approx(here, abs=1e-7)


def test_a_matrix_of_counts_is_the_same_as_answers_one_by_one():
    units, values = long_form(PUBLISHED)
    matrix = np.zeros((12, 5))
    np.add.at(matrix, (units, np.array(values) - 1), 1)
    assert alpha(from_matrix(matrix, [1, 2, 3, 4, 5]), "ordinal") == alpha(count(units, values), "ordinal")
    backwards = alpha(from_matrix(matrix[:, ::-1], [5, 4, 3, 2, 1]), "ordinal")
    assert backwards == alpha(count(units, values), "ordinal")


@pytest.mark.parametrize(
    ("units", "values", "reason"),
    [
        ([0, 0, 1, 1], [3, 3, 3, 3], "all answers are equal"),
        ([0, 1, 2], [1, 2, 3], "no unit was answered by two people"),
        ([], [], "no unit was answered by two people"),
        ([0, 0, 0], [1, 2, 1], "only one unit"),
    ],
)
@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_undefined_says_why_and_is_never_1(units, values, reason, metric):
    agreement = alpha(count(units, values), metric)
    assert agreement.alpha is None
    assert agreement.ci95 is None
    assert reason in agreement.reason


def test_unanimous_data_still_tell_the_raw_agreement():
    assert alpha(count([0, 0, 1, 1], [3, 3, 3, 3]), "nominal").same == 1.0
    # unit 0: 1 of 3 pairs equal; unit 1: 1 of 1
    assert alpha(count([0, 0, 0, 1, 1], [1, 1, 2, 5, 5]), "nominal").same == pytest.approx(2 / 4)


def test_bootstrap_is_that_of_recomputing_alpha_on_drawn_units():
    generator = np.random.default_rng(8)
    truth = generator.normal(size=25)
    answers = np.clip(np.round(truth[:, None] + generator.normal(size=(25, 4))), -2, 2)
    counts = count(np.repeat(range(25), 4), answers.ravel())
    for metric in ("nominal", "ordinal", "interval"):
        whole = alpha(counts, metric, resamples=400, seed=2)
        picks = np.random.default_rng(2).integers(25, size=(400, 25))
        again = [
            alpha(count(np.repeat(range(25), 4), answers[pick].ravel()), metric, resamples=0).alpha for pick in picks
        ]
        assert whole.ci95 == pytest.approx(tuple(np.quantile(again, (0.025, 0.975))), abs=1e-9)


def test_units_of_one_cluster_are_drawn_together():
    generator = np.random.default_rng(3)
    answers = np.where(generator.random((120, 2)) < 0.8, np.repeat(generator.integers(2, size=12), 10)[:, None], 0)
    units = np.repeat(range(120), 2)
    alone = alpha(count(units, answers.ravel()), "nominal")
    together = alpha(count(units, answers.ravel(), clusters=units // 10), "nominal")
    assert together.alpha == alone.alpha
    assert together.high - together.low > alone.high - alone.low


def test_one_cluster_alone_gives_no_interval():
    agreement = alpha(count([0, 0, 1, 1], [1, 2, 2, 2], clusters=[7, 7, 7, 7]), "nominal")
    assert agreement.alpha is not None
    assert agreement.ci95 is None
    assert "belong together" in agreement.reason


def test_too_rare_disagreement_gives_alpha_without_an_interval():
    answers = np.ones(80)
    answers[0] = 2.0  # a resample without unit 0 (37% of them) is unanimous
    agreement = alpha(count(np.repeat(range(40), 2), answers), "nominal")
    assert agreement.alpha is not None
    assert agreement.ci95 is None
    assert "too few different answers" in agreement.reason


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="not finite"):
        count([0, 0], [1.0, float("inf")])
    with pytest.raises(InputError, match="one row an answer"):
        count([0, 0, 1], [1.0, 2.0])
    with pytest.raises(InputError, match="do not fit"):
        from_matrix([[1, 2]], [1, 2, 3])
    with pytest.raises(InputError, match="negative"):
        from_matrix([[1, -2]], [1, 2])
