"""IPO: both normalisations by hand, the paper's closed-form optimum by enumeration, and a twin with the wrong sign."""

from dataclasses import replace
from itertools import combinations
from math import log

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import ipo
from burnish.records import Completion, Preference, Prompt

DOUBLE = torch.float64
POLICY = torch.tensor([[-1.0, -2.0], [-3.0, 0.0], [-2.0, 0.0], [-1.0, -1.0]], dtype=DOUBLE)
REFERENCE = torch.tensor([[-2.0, -3.0], [-2.0, 0.0], [-1.0, 0.0], [-2.0, -2.0]], dtype=DOUBLE)
PAIRS = Batch(
    length_mask([2, 1, 1, 2]),
    torch.tensor([0, 0, 1, 1]),
    probability_B=torch.tensor([0.9, 0.9, 1.0, 1.0], dtype=DOUBLE),
    weights_BK=torch.tensor([[1.0], [1.0], [3.0], [3.0]]),
)


def run(batch=PAIRS, policy=POLICY, **settings):
    config = ipo.Config(**{"beta": 0.25, **settings})
    outputs = Outputs(logprobs_BT=policy, reference_logprobs_BT=REFERENCE)
    return ipo.loss(ipo.targets(batch, config), outputs, config)


def test_the_two_normalisations_are_two_losses():
    # by hand: log-ratios 2, -1 and -1, 2 of whole completions, 1, -1 and -1, 1 of a token; lead asked 1 / (2 * 0.25)
    total, metrics = run()
    assert total.tolist() == pytest.approx([(0.9 * (3 - 2) ** 2 + 0.1 * (3 + 2) ** 2) / 4, 0, 3 * 5**2 / 4, 0])
    assert metrics["margin"].tolist() == [0.75, 0.75, -0.75, -0.75]
    mean, _ = run(normaliser="mean")
    assert mean.tolist() == pytest.approx([(0.9 * (2 - 2) ** 2 + 0.1 * (2 + 2) ** 2) / 4, 0, 3 * 4**2 / 4, 0])


@pytest.mark.parametrize("normaliser", ["sum", "mean"])
def test_the_gradient_is_that_of_finite_differences(normaliser):
    leaf = POLICY.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: run(policy=values, normaliser=normaliser)[0], leaf)


def bandit(policy_V: torch.Tensor, reference_V: torch.Tensor, preferred_VV: torch.Tensor, beta: float) -> torch.Tensor:
    """The loss over all pairs of V completions of one token."""
    pairs = list(combinations(range(len(policy_V)), 2))
    rows = [row for pair in pairs for row in pair]
    config = ipo.Config(beta=beta)
    batch = Batch(
        torch.ones(len(rows), 1, dtype=torch.bool),
        torch.arange(len(pairs)).repeat_interleave(2),
        probability_B=torch.stack([preferred_VV[pair] for pair in pairs]).repeat_interleave(2),
    )
    outputs = Outputs(logprobs_BT=policy_V[rows][:, None], reference_logprobs_BT=reference_V[rows][:, None])
    return ipo.loss(ipo.targets(batch, config), outputs, config)[0].sum()


def test_the_optimum_is_the_paper_s():
    """pi* ~ ref exp(P(y preferred to a random one) / tau), equation 7: the loss over all pairs has no slope there."""
    generator = torch.Generator().manual_seed(2)
    reference = torch.log_softmax(torch.randn(5, generator=generator, dtype=DOUBLE), -1)
    likes = torch.rand(5, 5, generator=generator, dtype=DOUBLE)  # not even transitive
    preferred = likes / (likes + likes.T)
    best = (reference + preferred.mean(1) / 0.3).requires_grad_(True)
    (slope,) = torch.autograd.grad(bandit(torch.log_softmax(best, -1), reference, preferred, 0.3), best)
    assert slope.abs().max() < 1e-12
    other = reference.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(bandit(torch.log_softmax(other, -1), reference, preferred, 0.3), other)
    assert slope.abs().max() > 0.01


def learned(chosen: int, rejected: int) -> float:
    """Log-ratio of completion 0 to completion 1 of five, after descent on one pair of them."""
    logits = torch.zeros(5, dtype=DOUBLE, requires_grad=True)
    preferred = torch.full((5, 5), 0.5, dtype=DOUBLE)
    preferred[chosen, rejected], preferred[rejected, chosen] = 1.0, 0.0
    for _ in range(300):
        logprobs = torch.log_softmax(logits, -1)
        (slope,) = torch.autograd.grad(bandit(logprobs, torch.full((5,), log(0.2)), preferred, 1.0), logits)
        logits = (logits - 0.5 * slope).detach().requires_grad_(True)
    return float(logits.detach()[0] - logits.detach()[1])


def test_it_learns_and_its_twin_learns_the_opposite():
    # by hand: (P(0 over a random one) - P(1 ...)) / tau = (0.6 - 0.4) / 1, ties with the three others
    assert learned(0, 1) == pytest.approx(0.2, abs=1e-3)
    assert learned(1, 0) == pytest.approx(-0.2, abs=1e-3)


def test_without_probability_and_weight_every_pair_is_sure_and_weighs_the_same():
    found, _ = run(replace(PAIRS, probability_B=None, weights_BK=None))
    assert found.tolist() == pytest.approx([1 / 2, 0, 25 / 2, 0])


def test_a_ranking_becomes_pairs_that_share_its_weight():
    prompt = Prompt.of("?")
    three = tuple(Completion(prompt.id, text) for text in "abc")
    found = ipo.prepare([Preference(prompt, three, (2, 0, None))], ipo.Config(), Tools())
    assert [[row.completion.text for row in example.rows] for example in found] == [["b", "a"]]


def test_labels_that_may_be_flipped_ask_for_less_of_a_lead():
    """The mean of the loss over flips (by enumeration), whose best lead is (1 - 2e)(2p - 1) / (2 beta)."""
    turned = replace(PAIRS, probability_B=1 - PAIRS.probability_B)
    expected = 0.8 * run()[0] + 0.2 * run(turned)[0]
    assert torch.allclose(run(label_smoothing=0.2)[0], expected, rtol=1e-12)
    assert torch.equal(run(label_smoothing=0.0)[0], run()[0])
    leaf = POLICY.clone().requires_grad_(True)
    leaf.data[2, 0] += 3 + (1 - 2 * 0.2) * 2  # by hand: the second pair, of p = 1, led by -3 and now leads by that
    (slope,) = torch.autograd.grad(run(policy=leaf, label_smoothing=0.2)[0].sum(), leaf)
    assert slope[2:].abs().max() < 1e-12
    assert torch.autograd.gradcheck(lambda values: run(policy=values, label_smoothing=0.2)[0], leaf)
    with pytest.raises(InputError, match="label_smoothing"):
        ipo.Config(label_smoothing=0.5)


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan")])
def test_a_beta_that_is_none_is_refused(beta):
    with pytest.raises(InputError, match="beta"):
        ipo.Config(beta=beta)
