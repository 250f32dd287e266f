"""Statistics against slow loops that say the same in another way."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.evaluation import compare
from burnish.evaluation.samples import by_prompt
from burnish.evaluation.text import distinct_2, repetition

SLOW = {
    "gold": lambda samples: np.mean([s.gold for s in samples]),
    "proxy": lambda samples: np.mean([s.proxy for s in samples]),
    "length": lambda samples: np.mean([s.tokens for s in samples]),
    "distinct_2": lambda samples: distinct_2([s.text for s in samples]),
    "repetition": lambda samples: np.mean([repetition(s.text) for s in samples]),
    "perplexity": lambda samples: math.exp(sum(s.reference_nll for s in samples) / sum(s.tokens for s in samples)),
    "on_topic": lambda samples: np.mean([s.on_topic for s in samples]),
    "asked_rated_correlation": lambda samples: np.corrcoef([s.asked for s in samples], [s.rated_gold for s in samples])[
        0, 1
    ],
    "truncated": lambda samples: np.mean([s.truncated for s in samples]),
}
"""Every measure by its definition."""


def slow_bootstrap(before, after, key, resamples, seed):
    """Draw prompts one by one, rebuild both lists of samples and measure them."""
    generator = np.random.default_rng(seed)
    olds, news = by_prompt(before), by_prompt(after)
    gaps = []
    for _ in range(resamples):
        drawn = generator.integers(len(olds), size=len(olds))
        old, new = ([s for place in drawn for s in groups[place]] for groups in (olds, news))
        gaps.append(SLOW[key](new) - SLOW[key](old))
    return np.quantile(gaps, (0.025, 0.975))


def test_describe_agrees_with_the_definitions(make_side):
    samples = make_side(0)
    assert compare.describe(samples) == pytest.approx({key: SLOW[key](samples) for key in compare.KEYS})
    assert tuple(compare.describe(samples)) == compare.KEYS


def test_differences_are_after_minus_before_and_ratios_after_over_before(make_side):
    before, after = make_side(0), make_side(1, gain=0.4)
    found = compare.compare(before, after, resamples=50)
    for key in compare.KEYS:
        assert found.difference[key].mean == pytest.approx(found.after[key] - found.before[key])
        if found.before[key]:
            assert found.ratio[key].mean == pytest.approx(found.after[key] / found.before[key])


@pytest.mark.parametrize("key", ["gold", "length", "perplexity", "asked_rated_correlation"])
def test_intervals_agree_with_resampling_by_hand(make_side, key):
    before, after = make_side(0), make_side(1, gain=0.4)
    found = compare.differences(before, after, resamples=4000, seed=3)[key]
    low, high = slow_bootstrap(before, after, key, 600, seed=4)
    # both are Monte Carlo: 600 resamples fix a bound to about a tenth of the interval's width
    assert found.low == pytest.approx(low, abs=0.12 * (high - low))
    assert found.high == pytest.approx(high, abs=0.12 * (high - low))
    assert found.n == 30


def test_paired_bootstrap_covers_the_truth(make_side):
    """Of 200 nominal 95% intervals, 182 to 197 hold the truth by chance; of 30 prompts a few less than nominal."""
    held = 0
    for trial in range(200):
        before, after = make_side(2 * trial + 10, samples=2), make_side(2 * trial + 11, samples=2, gain=0.25)
        found = compare.differences(before, after, resamples=300, seed=trial)["gold"]
        held += found.low <= 0.25 <= found.high
    assert 177 <= held <= 199


def test_resampling_samples_instead_of_prompts_would_be_too_sure(make_side):
    after = make_side(1, samples=8)
    by_prompts = compare.side_interval(after, "gold")
    alone = [dataclasses.replace(s, prompt_id=f"{s.prompt_id}/{s.index}") for s in after]
    by_samples = compare.side_interval(alone, "gold")
    assert by_prompts.high - by_prompts.low > 1.5 * (by_samples.high - by_samples.low)
    assert (by_prompts.n, by_samples.n) == (30, 240)


def test_what_is_not_measured_is_none_and_never_zero(make_sample):
    blank = {"gold": None, "rated_gold": None, "on_topic": None, "reference_nll": None, "kl_nats": None, "asked": None}
    side = [make_sample(prompt, 0, **blank) for prompt in range(5)]
    found = compare.compare(side, side, resamples=20)
    for key in ("gold", "on_topic", "perplexity", "asked_rated_correlation"):
        assert found.before[key] is None
        assert found.difference[key] is None
    assert found.win_rate is None
    assert found.kl is None
    assert found.difference["length"].mean == 0


def test_a_prompt_measured_on_one_side_only_leaves_the_comparison(make_side):
    before, after = make_side(0), make_side(1, gain=0.4)
    lost = [dataclasses.replace(s, gold=None) if s.prompt_id == "p3" else s for s in after]
    found = compare.differences(before, lost, resamples=50)["gold"]
    kept = [[s for s in side if s.prompt_id != "p3"] for side in (before, after)]
    assert found.n == 29
    assert found.mean == pytest.approx(compare.describe(kept[1])["gold"] - compare.describe(kept[0])["gold"])


def test_one_prompt_gives_no_interval(make_side):
    found = compare.compare(make_side(0, prompts=1), make_side(1, prompts=1), resamples=20)
    assert found.difference["gold"] is None
    assert found.win_rate is None
    assert found.before["gold"] is not None


def test_no_prompts_at_all():
    found = compare.compare([], [])
    assert set(found.before.values()) == set(found.difference.values()) == {None}


def test_asked_alike_everywhere_has_no_correlation(make_side):
    same = [dataclasses.replace(s, asked=1.5) for s in make_side(0)]
    assert compare.describe(same)["asked_rated_correlation"] is None
    assert compare.differences(same, same, resamples=20)["asked_rated_correlation"] is None


def test_distinct_2_compares_equal_amounts_of_text(make_sample):
    long = [make_sample(p, 0, text="one two three four one two three four") for p in range(4)]
    short = [make_sample(p, 0, text="one two three four") for p in range(4)]
    assert compare.describe(short)["distinct_2"] > compare.describe(long)["distinct_2"]
    found = compare.compare(long, short, resamples=20)
    assert found.before["distinct_2"] == found.after["distinct_2"] == 3 / 12


def test_distinct_2_interval_holds_the_truth_where_a_plain_bootstrap_would_not():
    """60 trials; texts of one prompt share themes. A resample holds copies, so the plain interval lies far below."""
    held = 0
    truth = np.mean([_themes(np.random.default_rng(1000 + trial))[0].share for trial in range(40)])
    for trial in range(60):
        found, plain = _themes(np.random.default_rng(trial))
        weights = np.random.default_rng(trial).multinomial(40, np.full(40, 1 / 40), size=400).astype(float)
        low, high = np.quantile(found.draws(weights), (0.025, 0.975))
        held += low <= truth <= high
        assert plain < low
    assert held >= 50  # 57 expected; fewer than 50 of 60 would happen once in 500


def _themes(generator):
    """The jackknife's sums for 40 prompts, and the mean of the plain bootstrap of the same share."""
    from burnish.evaluation.compare import _Bigrams

    shares = 1 / np.arange(1, 401)
    prompts = [generator.choice(400, size=60, p=shares / shares.sum()) for _ in range(40)]
    sets = [set(each.tolist()) for each in prompts]
    counts = np.bincount(np.concatenate([list(each) for each in sets]), minlength=400)
    found = _Bigrams(
        total=2400,
        distinct=int((counts > 0).sum()),
        of_prompt=np.full(40, 60.0),
        only_in_prompt=np.array([float((counts[list(each)] == 1).sum()) for each in sets]),
    )
    draws = [generator.integers(40, size=40) for _ in range(20)]
    return found, np.mean([len(set().union(*(sets[place] for place in drawn))) / 2400 for drawn in draws])


def test_win_rate_by_hand(make_sample):
    before = [make_sample(0, i, gold=g) for i, g in enumerate((1.0, 2.0))]
    before += [make_sample(1, i, gold=g) for i, g in enumerate((0.0, 0.0))]
    after = [make_sample(0, i, gold=g) for i, g in enumerate((2.0, 3.0))]
    after += [make_sample(1, i, gold=g) for i, g in enumerate((-1.0, 0.0))]
    # prompt 0: 2>1, 2=2, 3>1, 3>2 -> 3.5/4; prompt 1: -1<0 twice, 0=0 twice -> 1/4
    found = compare.win_rate(before, after)
    assert found.mean == pytest.approx((3.5 / 4 + 1 / 4) / 2)
    assert found.n == 2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_win_rates_of_the_two_directions_add_to_one(seed):
    generator = np.random.default_rng(seed)
    golds = generator.integers(0, 4, size=(2, 6)).astype(float)
    make = [
        [dataclasses.replace(_PLAIN, prompt_id=f"p{i // 2}", index=i % 2, gold=g) for i, g in enumerate(row)]
        for row in golds
    ]
    there, back = compare.win_rate(*make, resamples=10), compare.win_rate(*reversed(make), resamples=10)
    assert there.mean + back.mean == pytest.approx(1)


_PLAIN = compare.Sample(
    "p", "", "", None, "", 0, "", 1, False, None, None, None, None, None, None, None, None
)  # every measure unmeasured


def test_the_order_of_the_samples_changes_nothing_but_chance(make_side):
    before, after = make_side(0), make_side(1, gain=0.4)
    found = compare.compare(before, after, resamples=30, seed=5)
    mixed = compare.compare(before, list(reversed(after)), resamples=30, seed=5)
    assert mixed.difference == found.difference


def test_the_same_seed_gives_the_same_numbers(make_side):
    before, after = make_side(0), make_side(1)
    assert compare.compare(before, after, seed=1, resamples=30) == compare.compare(before, after, seed=1, resamples=30)


def test_curve_point_is_a_line_of_the_report(make_side):
    point = compare.curve_point(8, make_side(0, kl=4.0), resamples=50)
    assert point["step"] == 8
    assert 4 < point["kl_nats"] < 4.5
    assert point["gold_ci95"][0] < point["gold"] < point["gold_ci95"][1]
    assert set(point) == {"step", "kl_nats", "gold", "gold_ci95", "proxy", "proxy_ci95"}


def test_levels_hold_the_ratings_by_what_was_asked(make_side):
    levels = compare.asked_levels(make_side(0), resamples=50)
    assert [level.words for level in levels] == ["very bad", "bad", "so-so", "good", "very good"]
    assert sum(len(level.ratings) for level in levels) == 120
    assert all(level.interval.low < level.mean < level.interval.high for level in levels)


def test_smallest_detectable_difference_is_seen_four_times_in_five():
    sd, n = 1.3, 128
    size = compare.smallest_detectable_difference(sd, n)
    means = np.random.default_rng(0).normal(size, sd / math.sqrt(n), 20_000)
    assert (means - 1.96 * sd / math.sqrt(n) > 0).mean() == pytest.approx(0.8, abs=0.01)


def test_different_prompts_are_refused(make_side):
    with pytest.raises(InputError, match="Measure both sides on the same prompts"):
        compare.compare(make_side(0, prompts=3), make_side(1, prompts=4))
