from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.advantages import group_relative, later_steps, leave_one_out

NAN = float("nan")
SCALES = ["none", "std", "batch_std"]


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def groups(*sizes: int) -> torch.Tensor:
    return torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))


# ----------------------------------------------------------------------------------------------------------- by hand


def test_advantage_over_the_mean_of_the_group():
    found = group_relative(tensor(1, 2, 3, 10, 20), groups(3, 2))
    assert found.tolist() == pytest.approx([-1, 0, 1, -5, 5])


def test_divided_by_the_groups_standard_deviation_with_bessels_correction_and_eps():
    found = group_relative(tensor(1, 2, 3, 10, 20), groups(3, 2), scale="std", eps=0.5)
    # by hand: std of 1, 2, 3 with n - 1 is 1; of 10, 20 it is sqrt(50)
    assert found.tolist() == pytest.approx([-1 / 1.5, 0, 1 / 1.5, -5 / (sqrt(50) + 0.5), 5 / (sqrt(50) + 0.5)])


def test_the_default_eps_is_a_ten_thousandth():
    assert group_relative(tensor(0, 1), groups(2), scale="std").tolist()[1] == pytest.approx(0.5 / (sqrt(0.5) + 1e-4))


def test_divided_by_the_batchs_standard_deviation():
    found = group_relative(tensor(1, 2, 3, 10, 20), groups(3, 2), scale="batch_std", eps=0.0)
    # by hand: centred rewards -1, 0, 1, -5, 5; their sum of squares over n - 1 is 52/4
    assert found.tolist() == pytest.approx([value / sqrt(13) for value in (-1, 0, 1, -5, 5)])


def test_the_two_scales_differ():
    rewards = tensor(1, 2, 3, 10, 20)
    of_group, of_batch = (group_relative(rewards, groups(3, 2), scale=scale) for scale in ("std", "batch_std"))
    assert (of_group - of_batch).abs().max() > 0.3


def test_unscored_completions_are_in_no_statistic():
    found = group_relative(tensor(1, NAN, 3, 10, 20, NAN), groups(3, 3))
    assert found.tolist() == pytest.approx([-1, 0, 1, -5, 5, 0])
    scaled = group_relative(tensor(1, NAN, 3, 10, 20, NAN), groups(3, 3), scale="std", eps=0.0)
    assert scaled.tolist() == pytest.approx([-sqrt(0.5), 0, sqrt(0.5), -sqrt(0.5), sqrt(0.5), 0])
    batch = group_relative(tensor(1, NAN, 3, 10, 20, NAN), groups(3, 3), scale="batch_std", eps=0.0)
    # by hand: -1, 1, -5, 5 over n - 1 = 3
    assert batch.tolist() == pytest.approx([value / sqrt(52 / 3) for value in (-1, 0, 1, -5, 5, 0)])


@pytest.mark.parametrize("scale", SCALES)
def test_one_scored_among_unscored_has_nothing_to_be_compared_with(scale):
    found = group_relative(tensor(NAN, 7, NAN, 1, 2), groups(3, 2), scale=scale, eps=1e-12)
    assert found[:3].tolist() == [0, 0, 0]
    # by hand: -0.5 and 0.5; both standard deviations are sqrt(0.5 / (2 - 1)): the lonely 7 is in neither
    assert found[3:].tolist() == pytest.approx([-0.5, 0.5] if scale == "none" else [-sqrt(0.5), sqrt(0.5)])


@pytest.mark.parametrize("scale", SCALES)
def test_a_window_where_nothing_was_scored_teaches_nothing(scale):
    assert group_relative(tensor(NAN, NAN, NAN, NAN), groups(2, 2), scale=scale).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("scale", SCALES)
def test_equal_rewards_give_exactly_zero(scale):
    # the mean of seven float32 0.1s is not 0.1: rounding must not become a signal, least of all divided by its std
    rewards = torch.tensor([0.1] * 7 + [1.0, 2.0])
    found = group_relative(rewards, groups(7, 2), scale=scale, eps=1e-12)
    assert found[:7].tolist() == [0.0] * 7
    assert found[8] > 0


def test_a_group_of_one_is_refused_by_number():
    with pytest.raises(ValueError, match=r"groups \[4\] have one completion"):
        group_relative(tensor(1, 2, 3), torch.tensor([2, 2, 4]))


def test_leave_one_out_by_hand():
    # by hand: 1 - mean(2, 6) = -3, 2 - mean(1, 6) = -1.5, 6 - mean(1, 2) = 4.5
    assert leave_one_out(tensor(1, 2, 6), groups(3)).tolist() == pytest.approx([-3, -1.5, 4.5])
    assert leave_one_out(tensor(1, 2, NAN, 6), groups(4)).tolist() == pytest.approx([-3, -1.5, 0, 4.5])


# -------------------------------------------------------------------------------------------------------- properties


@st.composite
def windows(draw) -> tuple[torch.Tensor, torch.Tensor]:
    """Rewards with some unscored, in groups of two to five with numbers of any kind, in any order."""
    sizes = draw(st.lists(st.integers(2, 5), min_size=1, max_size=4))
    numbers = draw(st.lists(st.integers(-9, 99), min_size=len(sizes), max_size=len(sizes), unique=True))
    n = sum(sizes)
    rewards = draw(st.lists(st.one_of(st.floats(-50, 50), st.just(NAN)), min_size=n, max_size=n))
    group = [number for number, size in zip(numbers, sizes, strict=True) for _ in range(size)]
    order = draw(st.permutations(range(n)))
    return tensor(*(rewards[i] for i in order)), torch.tensor([group[i] for i in order])


@settings(max_examples=50, deadline=None)
@given(windows(), st.sampled_from(SCALES))
def test_advantages_of_every_group_sum_to_zero(window, scale):
    rewards, group = window
    found = group_relative(rewards, group, scale=scale)
    assert torch.isfinite(found).all()
    for number in group.unique():
        assert abs(float(found[group == number].sum())) < 1e-8


@settings(max_examples=50, deadline=None)
@given(windows(), st.sampled_from(SCALES), st.randoms(use_true_random=False))
def test_permuting_the_window_permutes_the_advantages(window, scale, random):
    rewards, group = window
    order = list(range(len(rewards)))
    random.shuffle(order)
    shuffled = group_relative(rewards[order], group[order], scale=scale)
    assert torch.allclose(shuffled, group_relative(rewards, group, scale=scale)[order], atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(windows(), st.floats(-20, 20), st.floats(0.1, 10))
def test_a_shift_changes_nothing_and_a_factor_goes_through(window, shift, factor):
    rewards, group = window
    found = group_relative(rewards, group)
    assert torch.allclose(group_relative(rewards + shift, group), found, atol=1e-9)
    assert torch.allclose(group_relative(rewards * factor, group), found * factor, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(windows())
def test_against_a_slow_loop(window):
    rewards, group = window
    expected = []
    for reward, number in zip(rewards.tolist(), group.tolist(), strict=True):
        scored = [r for r, g in zip(rewards.tolist(), group.tolist(), strict=True) if g == number and r == r]
        usable = reward == reward and len(scored) > 1
        expected.append(reward - sum(scored) / len(scored) if usable else 0.0)
    assert group_relative(rewards, group).tolist() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(windows())
def test_leave_one_out_is_n_over_n_minus_one_times_group_relative(window):
    rewards, group = window
    plain, left_out = group_relative(rewards, group), leave_one_out(rewards, group)
    for number in group.unique():
        rows = group == number
        n = int(torch.isfinite(rewards[rows]).sum())
        factor = n / (n - 1) if n > 1 else 1.0
        assert left_out[rows].tolist() == pytest.approx((plain[rows] * factor).tolist())


# --------------------------------------------------------------------------------------------- by exact enumeration


def gradient_of_all_groups(advantage, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the expected policy gradient over every group that can be drawn from four tokens, and the true one."""
    rewards_V = tensor(0.3, -1.0, 2.0, 0.7)
    logits = tensor(0.1, 0.9, -0.4, 0.0).requires_grad_()
    log_p = logits.log_softmax(-1)
    expected = torch.zeros((), dtype=torch.float64)
    for tokens in torch.cartesian_prod(*[torch.arange(4)] * size):
        chance = log_p[tokens].sum().exp().detach()
        values = advantage(rewards_V[tokens], torch.zeros(size, dtype=torch.int64))
        expected = expected + chance * (values * log_p[tokens]).mean()
    true = (log_p.exp() * rewards_V).sum()
    return torch.autograd.grad(expected, logits, retain_graph=True)[0], torch.autograd.grad(true, logits)[0]


def test_leave_one_out_is_unbiased():
    found, true = gradient_of_all_groups(leave_one_out, 3)
    assert torch.allclose(found, true, atol=1e-12)


def test_the_groups_own_mean_shrinks_the_gradient_by_n_minus_one_over_n():
    found, true = gradient_of_all_groups(group_relative, 3)
    assert torch.allclose(found, true * 2 / 3, atol=1e-12)


def test_dividing_by_the_groups_std_turns_the_gradient():
    found, true = gradient_of_all_groups(lambda r, g: group_relative(r, g, scale="std"), 3)
    assert torch.cosine_similarity(found, true, dim=0) < 0.999


# ------------------------------------------------------------------------------------------------------------ steps


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        # by hand: steps 1, 3, 5 of the first group have mean 3 and std 2; the second group's only step counts 0
        ("none", [[-2.0, 0.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]]),
        ("std", [[-1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
        # all four: -2, 0, 2, 0 have std sqrt(8 / 3)
        ("batch_std", [[-2 / sqrt(8 / 3), 0.0, 0.0], [2 / sqrt(8 / 3)] * 2 + [0.0], [0.0, 0.0, 0.0]]),
    ],
)
def test_each_token_answers_for_the_steps_from_it_on(scale, expected):
    mask = torch.tensor([[True, True, True], [True, True, False], [True, True, True]])
    steps = torch.tensor([[1.0, NAN, 3.0], [NAN, 5.0, 99.0], [NAN, 7.0, NAN]], dtype=torch.float64)
    found = later_steps(steps, mask, torch.tensor([0, 0, 1]), scale=scale)
    assert [row.tolist() for row in found] == [pytest.approx(row, abs=1e-3) for row in expected]
