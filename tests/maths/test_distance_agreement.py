import numpy as np
import pytest

from burnish.maths.agreement import alpha, count
from burnish.maths.distance_agreement import alpha_by_distance


def answers(seed, units=12, people=3, noise=0.4):
    generator = np.random.default_rng(seed)
    truth = generator.integers(4, size=units)
    unit = np.repeat(np.arange(units), people)
    said = np.where(generator.random(len(unit)) < noise, generator.integers(4, size=len(unit)), truth[unit])
    return unit.tolist(), said.tolist()


@pytest.mark.parametrize(
    ("metric", "distance"), [("nominal", lambda x, y: x != y), ("interval", lambda x, y: (x - y) ** 2)]
)
@pytest.mark.parametrize("seed", range(3))
def test_with_a_distance_of_numbers_it_is_alpha(seed, metric, distance):
    unit, said = answers(seed)
    ours, theirs = alpha_by_distance(unit, said, distance), alpha(count(unit, said), metric)
    assert ours.alpha == pytest.approx(theirs.alpha)
    assert ours.same == pytest.approx(theirs.same)
    assert (ours.units, ours.answers, ours.dropped) == (theirs.units, theirs.answers, theirs.dropped)
    assert ours.low == pytest.approx(theirs.low, abs=0.12)
    assert ours.high == pytest.approx(theirs.high, abs=0.12)


def test_the_drawn_pairs_are_enough():
    unit, said = answers(0, units=400)
    drawn = alpha_by_distance(unit, said, lambda x, y: x != y, resamples=0)
    assert drawn.alpha == pytest.approx(alpha(count(unit, said), "nominal", resamples=0).alpha, abs=0.02)


def test_why_it_is_undefined():
    def differ(x, y):
        return float(x != y)

    assert alpha_by_distance([1, 2], ["a", "b"], differ).reason == "no unit was answered by two people"
    assert "only one unit" in alpha_by_distance([1, 1], ["a", "b"], differ).reason
    assert "all answers are equal" in alpha_by_distance([1, 1, 2, 2], ["a"] * 4, differ).reason
    assert alpha_by_distance([1, 1, 2], ["a", "b", "c"], differ).dropped == 1
