import pytest

from burnish.errors import InputError
from burnish.evaluation.samples import by_prompt, paired


def test_samples_are_grouped_by_prompt_in_order_of_index(make_sample):
    groups = by_prompt([make_sample(1, 1), make_sample(0, 0), make_sample(1, 0)])
    assert [[(s.prompt_id, s.index) for s in group] for group in groups] == [[("p1", 0), ("p1", 1)], [("p0", 0)]]


def test_pairing_follows_prompt_and_index_not_the_order_of_the_list(make_side):
    before = make_side(0, prompts=5)
    pairs = paired(before, list(reversed(before)))
    assert all(old == new for old, new in pairs)
    assert [old[0].prompt_id for old, _ in pairs] == ["p0", "p1", "p2", "p3", "p4"]


def test_sides_with_different_prompts_are_refused_by_name(make_sample):
    with pytest.raises(InputError, match=r"'p1' sample 0 was measured after but not before \(1 such\)"):
        paired([make_sample(0, 0)], [make_sample(0, 0), make_sample(1, 0)])


def test_two_samples_with_one_index_are_refused(make_sample):
    with pytest.raises(InputError, match="2 samples before, but only 1 differ"):
        paired([make_sample(0, 0), make_sample(0, 0)], [make_sample(0, 0)])
