from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.batch import length_mask
from burnish.maths.policy_loss import clipped_policy_loss, masked_sum, per_completion, whole_ratio

DOUBLE = torch.float64
NAN = float("nan")


def at_ratio(ratio: float, advantage: float, **bounds: float) -> tuple[float, bool, float]:
    """Return (loss, clipped, gradient of the log-prob) of one token."""
    logprob = torch.tensor([[ratio]], dtype=DOUBLE).log().requires_grad_()
    loss, clipped = clipped_policy_loss(
        logprob, torch.zeros(1, 1, dtype=DOUBLE), torch.tensor([advantage], dtype=DOUBLE), **bounds
    )
    loss.sum().backward()
    return loss.item(), bool(clipped), logprob.grad.item()


# ------------------------------------------------------------------------------------------------------------- clip


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "clipped", "slope"),
    [
        # by hand, clip at 0.8 and 1.3: loss = -min(r A, clip(r) A), slope = -r A where it is not clipped
        (1.0, 2.0, -2.0, False, -2.0),
        (1.2, 2.0, -2.4, False, -2.4),
        (1.5, 2.0, -2.6, True, 0.0),  # good and already likelier: no more
        (0.5, 2.0, -1.0, False, -1.0),  # good but made unlikely: pulled back in full
        (0.5, -2.0, 1.6, True, 0.0),  # bad and already unlikelier: no more
        (0.9, -2.0, 1.8, False, 1.8),
        (1.5, -2.0, 3.0, False, 3.0),  # bad and made likelier: pulled back in full
        (1.5, 0.0, 0.0, False, 0.0),
    ],
)
def test_the_clip_on_both_sides(ratio, advantage, loss, clipped, slope):
    found = at_ratio(ratio, advantage, clip_low=0.2, clip_high=0.3)
    assert found == (pytest.approx(loss), clipped, pytest.approx(slope))


def test_the_bounds_are_apart():
    assert at_ratio(1.25, 1.0, clip_low=0.2, clip_high=0.28)[1] is False
    assert at_ratio(1.25, 1.0, clip_low=0.28, clip_high=0.2)[1] is True
    assert at_ratio(0.75, -1.0, clip_low=0.28, clip_high=0.2)[1] is False
    assert at_ratio(0.75, -1.0, clip_low=0.2, clip_high=0.28)[1] is True


def test_at_the_first_step_the_gradient_is_minus_advantage_times_that_of_the_log_prob():
    logits = torch.randn(3, 4, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    tokens = torch.randint(6, (3, 4, 1), generator=torch.Generator().manual_seed(1))
    advantages = torch.tensor([1.5, -0.5, 0.0], dtype=DOUBLE)
    logprobs = logits.log_softmax(-1).gather(2, tokens)[..., 0]
    loss, clipped = clipped_policy_loss(logprobs, logprobs.detach(), advantages)
    assert not clipped.any()
    plain = -(advantages[:, None] * logprobs)
    found, expected = (torch.autograd.grad(each.sum(), logits, retain_graph=True)[0] for each in (loss, plain))
    assert torch.allclose(found, expected, atol=1e-14)


def test_advantages_of_tokens_and_of_completions_are_the_same_loss():
    now, old = torch.randn(2, 3, dtype=DOUBLE), torch.randn(2, 3, dtype=DOUBLE)
    one = torch.tensor([1.5, -0.5], dtype=DOUBLE)
    found, expected = clipped_policy_loss(now, old, one), clipped_policy_loss(now, old, one[:, None].expand(2, 3))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_ratio_of_a_whole_completion_by_hand():
    now = torch.tensor([[-1.0, -2.0, NAN], [-0.5, 9.0, 9.0]])
    old = torch.tensor([[-1.5, -1.0, NAN], [-1.0, NAN, NAN]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert whole_ratio(now, old, mask, "sum").tolist() == [[-0.5] * 3, [0.5] * 3]
    assert whole_ratio(now, old, mask, "mean").tolist() == [[-0.25] * 3, [0.5] * 3]
    assert whole_ratio(now, old, torch.zeros(2, 3, dtype=torch.bool), "mean").tolist() == [[0.0] * 3] * 2


# --------------------------------------------------------------------------------------------- by exact enumeration


def test_averaged_over_all_completions_it_is_the_gradient_of_the_expected_reward():
    """Three tokens out of four, each step with logits of its own for every prefix; 64 completions, all of them."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(1 + 4 + 16, 4, dtype=DOUBLE, generator=generator).requires_grad_()
    rewards = torch.randn(64, dtype=DOUBLE, generator=generator)
    log_p = logits.log_softmax(-1)
    every = list(product(range(4), repeat=3))
    rows = [[log_p[0, a], log_p[1 + a, b], log_p[5 + 4 * a + b, c]] for a, b, c in every]
    logprobs = torch.stack([torch.stack(row) for row in rows])
    chance = logprobs.sum(-1).exp()
    baseline = 0.7  # any number that the completion does not change
    loss, _ = clipped_policy_loss(logprobs, logprobs.detach(), rewards - baseline)
    expected_reward = (chance * rewards).sum()
    found = torch.autograd.grad((chance.detach()[:, None] * loss).sum(), logits, retain_graph=True)[0]
    true = torch.autograd.grad(expected_reward, logits)[0]
    assert torch.allclose(found, -true, atol=1e-12)
    assert true.norm() > 0.1


# ----------------------------------------------------------------------------------------------------------- masks


def test_what_is_masked_never_leaks_even_when_it_is_not_a_number():
    values = torch.tensor([[1.0, 2.0, NAN], [torch.inf, 4.0, NAN]], requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, True, False]])
    found = masked_sum(values, mask)
    assert found.tolist() == [3.0, 4.0]
    found.sum().backward()
    assert values.grad.tolist() == [[1, 1, 0], [0, 1, 0]]


def test_a_completion_without_trained_tokens_has_loss_zero():
    values, mask = torch.full((2, 3), NAN), torch.zeros(2, 3, dtype=torch.bool)
    for normaliser in ("token", "completion", "constant"):
        found = per_completion(values, mask, normaliser=normaliser, window_tokens=0, window_completions=0, constant=8)
        assert found.tolist() == [0.0, 0.0]


# ------------------------------------------------------------------------------------------------------ normalisers

LOSSES = torch.tensor([[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 0.0, 0.0]])
LENGTHS = [4, 2]


@pytest.mark.parametrize(
    ("normaliser", "expected"),
    [
        ("token", (4 + 4) / 6),  # by hand: all losses over all tokens
        ("completion", (1 + 2) / 2),  # the mean of the means
        ("constant", (4 + 4) / (2 * 10)),  # completions times the length limit
    ],
)
def test_the_three_normalisers(normaliser, expected):
    found = per_completion(
        LOSSES, length_mask(LENGTHS), normaliser=normaliser, window_tokens=6, window_completions=2, constant=10
    )
    assert float(found.sum()) == pytest.approx(expected)


def test_the_constant_is_never_the_padded_width():
    wide = torch.nn.functional.pad(LOSSES, (0, 7))
    mask = torch.nn.functional.pad(length_mask(LENGTHS), (0, 7))
    for normaliser in ("token", "completion", "constant"):
        settings_ = {"normaliser": normaliser, "window_tokens": 6, "window_completions": 2, "constant": 10}
        padded = per_completion(wide, mask, **settings_)
        assert padded.tolist() == per_completion(LOSSES, length_mask(LENGTHS), **settings_).tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=7),
    st.sampled_from(["token", "completion", "constant"]),
    st.randoms(use_true_random=False),
)
def test_slices_of_a_window_add_up_to_the_window(lengths, normaliser, random):
    """B x 1, 1 x B and everything between, uneven lengths, and each slice padded to its own longest row only."""
    n, longest = len(lengths), max(lengths)
    weights = torch.randn(n, longest, dtype=DOUBLE, generator=torch.Generator().manual_seed(n))

    def gradient(parts: list[list[int]]) -> torch.Tensor:
        parameter = torch.ones((), dtype=DOUBLE, requires_grad=True)
        for rows in parts:
            width = max(lengths[i] for i in rows)
            share = per_completion(
                (parameter.square() * weights)[rows, :width],
                length_mask([lengths[i] for i in rows]),
                normaliser=normaliser,
                window_tokens=sum(lengths),
                window_completions=n,
                constant=9,
            )
            share.sum().backward()
        return parameter.grad

    order = list(range(n))
    random.shuffle(order)
    cuts = sorted({0, n, *(random.randrange(n + 1) for _ in range(2))})
    whole = gradient([list(range(n))])
    assert torch.allclose(gradient([[i] for i in order]), whole, atol=1e-12)
    assert torch.allclose(gradient([order[a:b] for a, b in pairwise(cuts)]), whole, atol=1e-12)
