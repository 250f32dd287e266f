"""Maximum-entropy IRL: the likelihood of demonstrations by enumeration, its optimum, and a twin with the wrong sign."""

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs
from burnish.methods import inverse_rl

DOUBLE = torch.float64
SHOWN = [0, 0, 0, 1, 1, 2, 3]  # what was demonstrated, of four completions
DRAWN = [0, 1, 1, 2, 2, 2, 3, 3]  # what the policy drew: exactly as often as it would
LOG_Q = (torch.bincount(torch.tensor(DRAWN)).to(DOUBLE) / len(DRAWN)).log()
REFERENCE = torch.tensor([0.1, 0.4, 0.3, 0.2], dtype=DOUBLE).log()
ROWS = torch.tensor(SHOWN + DRAWN)
WINDOW = Batch(
    torch.ones(len(ROWS), 1, dtype=torch.bool),
    torch.tensor([*range(1, len(SHOWN) + 1)] + [0] * len(DRAWN)),
    fresh_B=torch.tensor([False] * len(SHOWN) + [True] * len(DRAWN)),
    behaviour_logprobs_BT=torch.cat([torch.full((len(SHOWN),), torch.nan, dtype=DOUBLE), LOG_Q[DRAWN]])[:, None],
    reference_logprobs_BT=REFERENCE[ROWS][:, None],
)
REWARD = torch.tensor([0.4, -0.3, 1.1, 0.0], dtype=DOUBLE)


def run(reward_V: torch.Tensor, batch: Batch = WINDOW, **settings):
    config = inverse_rl.Config(**{"penalty": 0.0, **settings})
    return inverse_rl.loss(inverse_rl.targets(batch, config), Outputs(rewards_BK=reward_V[ROWS][:, None]), config)


def test_it_is_the_likelihood_of_the_demonstrations():
    found, metrics = run(REWARD)
    exact = -torch.log_softmax(REWARD, 0)[SHOWN].mean()
    assert float(found.sum()) == pytest.approx(float(exact), rel=1e-12)
    assert metrics["demonstration_reward"].nanmean().item() == pytest.approx(float(REWARD[SHOWN].mean()))
    assert metrics["drawn_reward"].nanmean().item() == pytest.approx(float(REWARD[DRAWN].mean()))
    w = (REWARD - LOG_Q)[DRAWN].exp()
    assert metrics["effective_samples"][-1].item() == pytest.approx(float(w.sum() ** 2 / w.square().sum()))


def test_with_a_base_it_tilts_the_untouched_model():
    exact = -torch.log_softmax(REWARD + REFERENCE, 0)[SHOWN].mean() + REFERENCE[SHOWN].mean()
    assert float(run(REWARD, base="reference")[0].sum()) == pytest.approx(float(exact), rel=1e-12)
    assert inverse_rl.needs(inverse_rl.Config()).views == ()
    assert set(inverse_rl.needs(inverse_rl.Config(base="reference")).views) == {"old", "reference"}


@pytest.mark.parametrize(("base", "tilts"), [("uniform", torch.zeros(4, dtype=DOUBLE)), ("reference", REFERENCE)])
def test_the_optimum_has_the_demonstrators_own_distribution(base, tilts):
    shown = torch.bincount(torch.tensor(SHOWN)).to(DOUBLE) / len(SHOWN)
    best = (shown.log() - tilts + 5).requires_grad_(True)  # a constant is free
    (slope,) = torch.autograd.grad(run(best, base=base)[0].sum(), best)
    assert slope.abs().max() < 1e-12


def test_the_slope_is_demonstrated_less_drawn_by_self_normalised_weights():
    leaf = REWARD.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(run(leaf)[0].sum(), leaf)
    w = torch.softmax((REWARD - LOG_Q)[DRAWN], 0)
    expected = torch.zeros(4, dtype=DOUBLE).index_add_(0, torch.tensor(DRAWN), w)
    expected -= torch.bincount(torch.tensor(SHOWN)).to(DOUBLE) / len(SHOWN)
    assert torch.allclose(slope, expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda r: run(r, penalty=0.3)[0], REWARD.clone().requires_grad_(True))


def test_a_penalty_keeps_the_reward_of_what_was_never_drawn_finite():
    only = WINDOW.slice(torch.tensor([0, 7, 7, 7]))  # completion 0 shown; what was drawn is the same text thrice
    other = torch.tensor([0, 1, 1, 1])
    only = replace(only, group_B=torch.tensor([1, 0, 0, 0]))
    for penalty, bounded in ((0.0, False), (0.5, True)):
        config = inverse_rl.Config(penalty=penalty)
        reward = torch.zeros(2, dtype=DOUBLE, requires_grad=True)
        for _ in range(200):
            share, _ = inverse_rl.loss(
                inverse_rl.targets(only, config), Outputs(rewards_BK=reward[other][:, None]), config
            )
            (slope,) = torch.autograd.grad(share.sum(), reward)
            reward = (reward - 0.5 * slope).detach().requires_grad_(True)
        # by hand: -r0 + r1 + penalty / 2 (r0^2 + r1^2) is best at 1 / penalty and -1 / penalty
        assert (reward.detach().abs() < 2.001).all().item() == bounded
        if bounded:
            assert reward.tolist() == pytest.approx([2, -2])


def learned(batch: Batch) -> torch.Tensor:
    reward = torch.zeros(4, dtype=DOUBLE, requires_grad=True)
    for _ in range(60):
        (slope,) = torch.autograd.grad(run(reward, batch)[0].sum(), reward)
        reward = (reward - slope).detach().requires_grad_(True)
    return reward.detach()


def test_it_learns_what_was_shown_and_its_twin_the_reverse():
    """The twin takes what was drawn for shown and what was shown for drawn, each as likely as it was."""
    log_p = (torch.bincount(torch.tensor(SHOWN)).to(DOUBLE) / len(SHOWN)).log()
    behaviour = torch.where(WINDOW.fresh_B, torch.nan, log_p[ROWS])[:, None]
    groups = torch.tensor([0] * len(SHOWN) + [*range(1, len(DRAWN) + 1)])
    twin = replace(WINDOW, fresh_B=~WINDOW.fresh_B, behaviour_logprobs_BT=behaviour, group_B=groups)
    right, wrong = learned(WINDOW), learned(twin)
    assert right[0] > right[1] > right[2] - 1e-9
    assert wrong[0] < wrong[1] < wrong[2]


def test_a_sampler_without_log_probs_and_a_partner_that_is_none_are_refused():
    with pytest.raises(ValueError, match="no log-probs"):
        inverse_rl.targets(replace(WINDOW, behaviour_logprobs_BT=None), inverse_rl.Config())
    with pytest.raises(ValueError, match="base"):
        inverse_rl.targets(replace(WINDOW, reference_logprobs_BT=None), inverse_rl.Config(base="reference"))
    lost = WINDOW.behaviour_logprobs_BT.clone()
    lost[-1] = torch.nan
    with pytest.raises(ValueError, match="no log-probs"):
        inverse_rl.targets(replace(WINDOW, behaviour_logprobs_BT=lost), inverse_rl.Config())
    with pytest.raises(InputError, match="Did you mean 'grpo'"):
        inverse_rl.Config(partner="gpro")
