import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit
from scipy.stats import kendalltau

from burnish.errors import InputError
from burnish.maths.annotators import votes
from burnish.maths.choice import bradley_terry
from burnish.maths.crowd_bt import crowd_bt, crowd_by_island, crowd_energy

SETTING = {"n_items": 5, "ridge": 0.7, "prior": (3.0, 1.0)}


def crowd(seed, reliability=(0.95, 0.95, 0.95, 0.5, 0.05), items=8, each=80):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=items) * 2
    person = np.repeat(np.arange(len(reliability)), each)
    first = generator.integers(items, size=len(person))
    second = (first + generator.integers(1, items, size=len(person))) % items
    upright = generator.random(len(person)) < np.asarray(reliability)[person]
    first_better = generator.random(len(person)) < expit(scores[first] - scores[second])
    first_won = first_better == upright
    return scores, np.where(first_won, first, second), np.where(first_won, second, first), person


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_finite_differences(seed):
    generator = np.random.default_rng(seed)
    winner = generator.integers(5, size=30)
    loser = (winner + generator.integers(1, 5, size=30)) % 5
    person = generator.integers(3, size=30)
    at = generator.normal(size=8)

    def energy(x):
        return crowd_energy(x, winner, loser, person, **SETTING)

    assert energy(at)[1] == pytest.approx(approx_fprime(at, lambda x: energy(x)[0], 1e-7), abs=1e-5)


def test_planted_spammers_are_found_and_the_order_is_better_for_it():
    scores, winner, loser, person = crowd(0)
    found = crowd_bt(winner, loser, person, n_items=8, n_people=5)
    assert (found.reliability_K[:3] > 0.85).all()
    assert 0.3 < found.reliability_K[3] < 0.7
    assert found.reliability_K[4] < 0.2
    plain = bradley_terry(winner, loser, n_items=8)
    assert kendalltau(found.scores_I, scores)[0] > kendalltau(plain.scores_I, scores)[0]


def test_one_reliable_crowd_is_bradley_terry():
    _, winner, loser, person = crowd(1, reliability=(1.0, 1.0))
    found = crowd_bt(winner, loser, person, n_items=8, n_people=2, prior=(2_000.0, 1.0))
    plain = bradley_terry(winner, loser, n_items=8, ridge=1.0)
    assert found.scores_I == pytest.approx(plain.scores_I, abs=0.02)
    assert found.interval(0).low < found.scores_I[0] < found.interval(0).high


def test_people_who_share_nothing_are_refused():
    with pytest.raises(InputError, match="no two people voted on the same items"):
        crowd_bt([0, 2], [1, 3], [0, 1], n_items=4, n_people=2)
    with pytest.raises(InputError, match="1 votes compare an item with itself"):
        crowd_bt([0, 2], [0, 3], [0, 1], n_items=4, n_people=2)
    with pytest.raises(InputError, match="persons go from 0 to 7, expected 0 to 1"):
        crowd_bt([0, 2], [1, 3], [0, 7], n_items=4, n_people=2)


def test_by_island_it_is_the_same_posterior():
    _, winner, loser, person = crowd(2)
    whole = crowd_bt(winner, loser, person, n_items=8, n_people=5)
    found = crowd_by_island(votes(winner, loser, person, np.ones(len(winner)), n_items=8, n_people=5))
    assert found.scores_I == pytest.approx(whole.scores_I, abs=1e-4)
    assert found.reliability_K == pytest.approx(whole.reliability_K, abs=1e-4)
    assert found.variance_I == pytest.approx(np.diag(whole.covariance_II), rel=1e-3)
    one, two = np.array([0, 2]), np.array([1, 5])
    covariance = whole.covariance_II
    expected = covariance[one, one] + covariance[two, two] - 2 * covariance[one, two]
    assert found.gap_variance(one, two) == pytest.approx(expected, rel=1e-3)


def test_a_tie_is_half_a_vote_each_and_pairs_of_two_islands_are_refused():
    left, right, person = [0, 0, 2, 2], [1, 1, 3, 3], [0, 1, 0, 1]
    found = crowd_by_island(votes(left, right, person, [0.5, 0.5, 1, 1], n_items=4, n_people=2))
    mean, variance = found.probabilities(np.array([0, 2]), np.array([1, 3]))
    assert mean[0] == pytest.approx(0.5)
    assert mean[1] > 0.6
    assert (variance > 0).all()
    with pytest.raises(InputError, match="linked by no comparison"):
        found.probabilities(np.array([0]), np.array([2]))
