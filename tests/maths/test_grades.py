from functools import partial

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import spearmanr

from burnish.errors import InputError
from burnish.maths import grades as module
from burnish.maths.grades import graded_response, grades, many_facet

SLOPES = np.array([1.0] * 7 + [0, 0, -1])


def graded(seed, items=300, each=3, slopes=SLOPES, harsh=None):
    """Grades 1 to 5 of seven careful people, two who guess and one who grades upside down, more or less strict."""
    generator = np.random.default_rng(seed)
    quality = generator.normal(size=items)
    harsh = generator.normal(size=len(slopes)) if harsh is None else harsh
    person = np.concatenate([generator.permutation(len(slopes))[:each] for _ in range(items)])
    item = np.repeat(np.arange(items), each)
    felt = 2 * slopes[person] * quality[item] + generator.logistic(size=len(item)) - harsh[person]
    return quality, harsh, item, person, 1 + (felt[:, None] > np.linspace(-2.5, 2.5, 4)).sum(1)


def test_quality_is_recovered_beside_careless_and_contrary_people():
    quality, harsh, item, person, value = graded(0)
    found = graded_response(grades(item, person, value, n_items=300, n_people=10))
    mean = np.bincount(item, value) / np.bincount(item)
    assert spearmanr(found.quality_I, quality)[0] > spearmanr(mean, quality)[0] + 0.1
    assert (found.slope_K[:7] > 0.4).all()
    assert np.abs(found.slope_K[7:9]).max() < 0.35
    assert found.slope_K[9] < -0.5
    assert spearmanr(found.strict_K, harsh)[0] > 0.8
    inside = np.abs(found.quality_I - quality) < 1.645 * np.sqrt(found.variance_I)
    assert 0.83 < inside.mean() < 0.95
    assert ((found.grade_I >= 1) & (found.grade_I <= 5)).all()


def test_strict_people_do_not_make_their_items_bad():
    generator = np.random.default_rng(1)
    quality, harsh, item, person, value = graded(1, slopes=np.ones(6), harsh=np.array([2.0, 1, 1.5, -1, -2, -1.5]))
    keep = (person < 3) == (item % 2 == 0)  # each half of the people has its own items ...
    keep |= generator.random(len(item)) < 0.1  # ... but for a few that link them
    given = grades(item[keep], person[keep], value[keep], n_items=300, n_people=6)
    known = np.bincount(item[keep], minlength=300) > 0
    mean = np.bincount(item[keep], value[keep], 300)[known] / np.bincount(item[keep], minlength=300)[known]
    for found in (graded_response(given), many_facet(given)):
        assert spearmanr(found.quality_I[known], quality[known])[0] > spearmanr(mean, quality[known])[0] + 0.08
        assert np.corrcoef(found.strict_K, harsh)[0, 1] > 0.9


def test_a_harder_criterion_is_found():
    generator = np.random.default_rng(2)
    quality = generator.normal(size=150)
    item, criterion = np.repeat(np.arange(150), 6), np.tile([0, 0, 0, 1, 1, 1], 150)
    person = np.tile([0, 1, 2], 300)
    felt = 2 * quality[item] - 1.5 * criterion + generator.logistic(size=len(item))
    given = grades(item, person, 1 + (felt[:, None] > [-2, 0, 2]).sum(1), n_items=150, n_people=3)
    found = many_facet(given, criterion, n_criteria=2)
    assert found.criterion_D[1] - found.criterion_D[0] > 0.4
    assert found.slope_K == pytest.approx(np.ones(3))


@pytest.mark.parametrize("seed", range(2))
def test_the_gradients_are_those_of_finite_differences(seed):
    *_, item, person, value = graded(seed, items=15)
    given = grades(item, person, value, n_items=15, n_people=10)
    generator = np.random.default_rng(seed)
    cuts = len(given.value_M) - 1
    graded_tables = partial(module._graded_tables, people=10, cuts=cuts)
    facet_tables = partial(module._facet_tables, people=10, criteria=2, cuts=cuts)
    own, facet = given.person_N, 2 * given.person_N + given.item_N % 2
    for tables, counts, size in (
        (graded_tables, module._counts(given, own, 10), 1 + cuts + 10 + 10 * cuts),
        (facet_tables, module._counts(given, facet, 20), 1 + cuts + 12),
    ):
        energy = partial(module.energy, counts=counts, tables=tables, spreads=np.ones(size), centre=np.zeros(size))
        has_its_gradient(energy, 0.4 * generator.normal(size=size))


def has_its_gradient(energy, at):
    """Assert that the gradient an energy returns is that of finite differences."""
    assert energy(at)[1] == pytest.approx(approx_fprime(at, lambda x: energy(x)[0], 1e-7), abs=2e-4)


def test_thumbs_are_grades_of_two_categories():
    _, _, item, person, value = graded(3)
    found = graded_response(grades(item, person, value > 3, n_items=300, n_people=10))
    assert ((found.grade_I > 0) & (found.grade_I < 1)).all()
    assert found.slope_K[9] < 0


def test_a_slider_is_put_into_bins():
    generator = np.random.default_rng(4)
    item, person = np.repeat(np.arange(60), 4), np.tile(np.arange(4), 60)
    value = np.clip(50 + 20 * generator.normal(size=60)[item] + 8 * generator.normal(size=240), 0, 100).round()
    given = grades(item, person, value, n_items=60, n_people=4)
    assert len(given.value_M) <= module.MOST_GRADES
    found = graded_response(given)
    assert np.corrcoef(found.grade_I, np.bincount(item, value) / 4)[0, 1] > 0.95


def test_what_cannot_be_known_is_refused():
    with pytest.raises(InputError, match="2 groups that graded no common item"):
        grades([0, 0, 1, 1], [0, 1, 2, 3], [1, 2, 3, 4], n_items=2, n_people=4)
    with pytest.raises(InputError, match="all are 3"):
        grades([0, 0], [0, 1], [3, 3], n_items=1, n_people=2)
    with pytest.raises(InputError, match="not a finite number"):
        grades([0, 0], [0, 1], [3, np.nan], n_items=1, n_people=2)
    with pytest.raises(InputError, match=r"grades\.criteria"):
        many_facet(grades([0, 0], [0, 1], [3, 4], n_items=1, n_people=2), [0, 5], n_criteria=2)
