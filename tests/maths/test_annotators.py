import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import kendalltau

from burnish.errors import InputError
from burnish.maths import propagation
from burnish.maths.annotators import fit, votes
from burnish.maths.choice import bradley_terry

SLOPES = np.array([1.5] * 4 + [0, 0, 0, -1.5])
SIDES = np.array([0.0] * 6 + [np.log(9), 0])


def crowd(seed, items=12, each=60, slopes=SLOPES, sides=SIDES):
    """Votes of 4 careful people, 2 who guess, 1 who picks the left 90% of the time and 1 adversary."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=items)
    person = np.repeat(np.arange(len(slopes)), each)
    left = generator.integers(items, size=len(person))
    right = (left + generator.integers(1, items, size=len(person))) % items
    level = slopes[person] * (scores[left] - scores[right]) + sides[person]
    return scores, left, right, person, (generator.random(len(person)) < expit(level)).astype(float)


def fitted(left, right, person, share, items=12, people=8, **more):
    return fit(votes(left, right, person, share, n_items=items, n_people=people, **more))


def test_the_order_is_recovered_and_intervals_hold():
    # the full study is benchmarks/people.py; here few seeds and wide bounds
    ours, plain, held = [], [], []
    for seed in range(8):
        scores, left, right, person, share = crowd(seed)
        found = fitted(left, right, person, share)
        winner, loser = np.where(share == 1, left, right), np.where(share == 1, right, left)
        ours.append(kendalltau(found.scores_I, scores)[0])
        plain.append(kendalltau(bradley_terry(winner, loser, n_items=12).scores_I, scores)[0])
        truth = 1.5 * (scores - scores.mean())
        held.append(np.abs(found.scores_I - truth) < 1.645 * np.sqrt(found.variance_I))
    assert np.mean(ours) > 0.78
    assert np.mean(ours) - np.mean(plain) > 0.08
    assert 0.78 < np.mean(held) < 0.97


def test_each_way_of_being_unhelpful_is_told_apart():
    _, left, right, person, share = crowd(0, each=200)
    found = fitted(left, right, person, share)
    assert (found.slope_K[:4] > 0.6).all()
    assert np.abs(found.slope_K[4:7]).max() < 0.35
    assert found.slope_K[7] < -0.6
    assert found.side_K[6] > 1.5
    assert np.abs(np.delete(found.side_K, 6)).max() < 0.7


def test_a_pair_is_what_numerical_integration_says():
    # two careful people whose slopes are pinned down by 400 other pairs; then one pair, 2 votes to 1, integrated
    generator = np.random.default_rng(0)
    pairs, people = 400, 6
    gap = generator.normal(size=pairs) * 1.5
    person = np.tile(np.arange(people), pairs)
    pair = np.repeat(np.arange(pairs), people)
    share = (generator.random(len(pair)) < expit(gap[pair])).astype(float)
    found = fitted(2 * pair, 2 * pair + 1, person, share, items=2 * pairs, people=people)
    scale = float(np.mean(found.gap_variance(np.arange(0, 2 * pairs, 2), np.arange(1, 2 * pairs, 2)))) + float(
        np.var(found.scores_I[::2] - found.scores_I[1::2])
    )
    grid = np.linspace(-12, 12, 4_001)
    for which in (0, 1, 2):
        here = pair == which
        level = found.slope_K[person[here], None] * grid + found.side_K[person[here], None]
        weight = np.exp(-(grid**2) / (2 * scale)) * np.where(share[here, None] == 1, expit(level), expit(-level)).prod(
            0
        )
        weight /= weight.sum()
        mean = float(found.scores_I[2 * which] - found.scores_I[2 * which + 1])
        assert mean == pytest.approx(float(weight @ grid), abs=0.1)
        spread = float(found.gap_variance(np.array([2 * which]), np.array([2 * which + 1]))[0])
        assert spread == pytest.approx(float(weight @ (grid - weight @ grid) ** 2), rel=0.15)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1_000))
def test_showing_every_pair_the_other_way_round_turns_sides_and_nothing_else(seed):
    _, left, right, person, share = crowd(seed, each=20)
    one, other = fitted(left, right, person, share), fitted(right, left, person, 1 - share)
    assert other.scores_I == pytest.approx(one.scores_I, abs=1e-6)
    assert other.slope_K == pytest.approx(one.slope_K, abs=1e-6)
    assert other.side_K == pytest.approx(-one.side_K, abs=1e-6)


def test_where_the_order_is_unknown_nobody_likes_a_side():
    _, left, right, person, share = crowd(0)
    found = fitted(left, right, person, share, sided=np.zeros(len(left)))
    assert np.abs(found.side_K).max() < 1e-9


def test_few_votes_are_drawn_towards_the_group():
    _, left, right, person, share = crowd(0, slopes=np.full(8, 1.5), sides=np.zeros(8))
    keep = (person < 7) | (np.cumsum(person == 7) <= 2)  # two votes of the last person
    found = fitted(left[keep], right[keep], person[keep], share[keep])
    assert found.slope_K[7] == pytest.approx(found.slope_mean, abs=0.5)
    assert found.slope_variance_K[7] > 2 * found.slope_variance_K[:7].max()


def test_a_vote_is_not_its_own_witness():
    # three people, one pair: the one who dissents is judged by the other two
    given = votes([0] * 3, [1] * 3, [0, 1, 2], [1.0, 1.0, 0.0], n_items=2, n_people=3)
    chances = fit(given).others_say()
    assert chances[2] > 0.6  # the two others say left
    assert chances[0] == pytest.approx(0.5, abs=0.1)  # one says left, one right
    assert chances[0] < chances[2]
    alone = votes([0, 0, 2], [1, 1, 3], [0, 1, 1], [1.0, 1.0, 1.0], n_items=4, n_people=2)
    assert fit(alone).others_say()[2] == pytest.approx(0.5, abs=1e-3)


def test_ties_count_half():
    found = fitted([0] * 4, [1] * 4, [0, 1, 2, 3], [0.5] * 4, items=2, people=4)
    assert found.probability(0, 1)[0] == pytest.approx(0.5, abs=1e-6)


def test_what_cannot_be_known_is_refused():
    with pytest.raises(InputError, match="no two people voted on the same items"):
        fitted([0, 2], [1, 3], [0, 1], [1.0, 1.0], items=4, people=2)
    found = fitted([0, 0, 2], [1, 1, 3], [0, 1, 0], [1.0, 1.0, 1.0], items=4, people=2)
    with pytest.raises(InputError, match="items 0 and 2 are linked by no comparison"):
        found.probability(0, 2)
    chain = np.arange(2_500)
    with pytest.raises(InputError, match="comparisons link 2,501 items with each other, at most 2,000"):
        fitted(chain, chain + 1, chain % 2, chain * 0.0, items=2_501, people=2)
    with pytest.raises(InputError, match="share is outside"):
        votes([0], [1], [0], [2.0], n_items=2, n_people=1)
    with pytest.raises(InputError, match="no votes"):
        votes([], [], [], [], n_items=2, n_people=1)


def test_spreads_are_those_of_many_small_prompts():
    # three votes a pair: a joint fit would take noise for agreement and see the spread of the scores wrong
    generator = np.random.default_rng(1)
    pairs, spread = 1_500, 1.5
    gap = generator.normal(size=pairs) * spread
    person = np.concatenate([generator.permutation(10)[:3] for _ in range(pairs)])
    pair = np.repeat(np.arange(pairs), 3)
    slopes = np.array([-1.0, -1.0] + [1.0] * 8)
    share = (generator.random(len(pair)) < expit(slopes[person] * gap[pair])).astype(float)
    found = fitted(2 * pair, 2 * pair + 1, person, share, items=2 * pairs, people=10)
    first = np.arange(0, 2 * pairs, 2)
    mean = found.scores_I[first] - found.scores_I[first + 1]
    assert np.sqrt(mean.var() + found.gap_variance(first, first + 1).mean()) == pytest.approx(spread, rel=0.2)
    assert found.slope_K == pytest.approx(slopes, abs=0.4)


def test_with_very_many_people_only_their_ties_to_each_other_are_left_out(monkeypatch):
    _, left, right, person, share = crowd(3)
    whole = fitted(left, right, person, share)
    monkeypatch.setattr(propagation, "MOST_PEOPLE", 7)
    rough = fitted(left, right, person, share)
    assert rough.scores_I == pytest.approx(whole.scores_I)
    assert rough.slope_K == pytest.approx(whole.slope_K)
    assert 0.4 < float(np.mean(rough.variance_I / whole.variance_I)) < 1.0


def test_people_who_never_disagree_settle_within_the_bound():
    left = np.tile(np.arange(6), 200)
    right = (left + 1 + np.repeat(np.arange(200), 6) % 5) % 6
    found = fitted(left, right, np.arange(1_200) % 4, (left < right).astype(float), items=6, people=4)
    assert found.rounds < 100
    assert 3 < found.score_spread <= propagation.STEEPEST
    assert (np.diff(found.scores_I) < 0).all()
    assert np.isfinite(found.variance_I).all()


def test_coins_have_slopes_that_say_nothing():
    generator = np.random.default_rng(0)
    _, left, right, person, _ = crowd(0)
    found = fitted(left, right, person, (generator.random(len(left)) < 0.5).astype(float))
    assert np.abs(found.scores_I).max() < 1.0
    assert found.slope_variance_K.mean() > 0.02
