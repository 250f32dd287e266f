import numpy as np
import pytest

from burnish.errors import InputError
from burnish.maths.sample_size import Spreads, plan, plans, spreads_of

SPREADS = Spreads(item=0.3, person=0.1, noise=0.2)


def study(items, each, people, spreads, draw):
    """Return (answers, item of each, person of each): items dealt to people in turns, so that the work is even."""
    item_I, person_K = draw.normal(0, spreads.item, items), draw.normal(0, spreads.person, people)
    item_N = np.repeat(np.arange(items), each)
    person_N = np.arange(items * each) % people
    return item_I[item_N] + person_K[person_N] + draw.normal(0, spreads.noise, items * each), item_N, person_N


def test_half_widths_by_hand():
    found = plan(100, 2, 10, SPREADS)
    assert found.half_width == pytest.approx(1.959964 * np.sqrt(0.09 / 100 + 0.04 / 200 + 0.01 / 10))
    assert found.item_error == pytest.approx(np.sqrt((0.04 + 0.01) / 2))
    assert found.answers == 200


def test_the_interval_planned_is_the_interval_one_gets():
    draw = np.random.default_rng(0)
    promised = plan(60, 3, 8, SPREADS)
    means = [study(60, 3, 8, SPREADS, draw)[0].mean() for _ in range(1500)]
    # 1,500 studies: the standard deviation is known to 1.8%
    assert 1.959964 * np.std(means) == pytest.approx(promised.half_width, rel=0.07)


def test_the_fewest_items_for_an_interval():
    found = plans(0.1, 10, SPREADS)
    assert [each.answers_each for each in found] == [1, 2, 3, 4, 5]
    for each in found:
        assert each.half_width <= 0.1
        assert plan(each.items - 1, each.answers_each, 10, SPREADS).half_width > 0.1
    assert [each.answers for each in found] == sorted(each.answers for each in found)  # one answer each is cheapest
    with pytest.raises(InputError, match="3 people cannot give"):
        plans(0.1, 3, SPREADS)  # the people alone leave 1.96 * 0.1 / sqrt(3) = 0.113


def test_spreads_are_read_from_answers():
    draw = np.random.default_rng(1)
    found = [spreads_of(*study(400, 3, 25, SPREADS, draw)) for _ in range(20)]
    for name in ("item", "person", "noise"):
        assert np.mean([getattr(each, name) for each in found]) == pytest.approx(getattr(SPREADS, name), abs=0.015), (
            name
        )
    with pytest.raises(InputError, match="overlap"):
        spreads_of([1, 2, 3], ["a", "b", "c"], ["x", "x", "y"])
    with pytest.raises(InputError, match="is no plan"):
        plan(10, 5, 3, SPREADS)
