"""T19 to T25: that log-probs, ratios and divergences are of the distribution that completions are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from burnish.conformance.traps.course import table_course, table_steps
from burnish.conformance.traps.trap import logprobs_of, moved_weights, must, near, rounding, said_of
from burnish.examples import Row
from burnish.maths.kl import KLController, kl_estimate
from burnish.maths.policy_loss import truncated_importance
from burnish.models.head import token_statistics
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import Sampling


def t19_the_temperature_divides_everywhere(policy: Policy, rows: Sequence[Row]) -> None:
    """The sampling temperature divides the logits of policy, reference and sampler alike."""
    temperature = 0.5
    gap = sampler_gap(policy, rows, temperature)
    said = f"log-probs at temperature {temperature} are not the sampler's (mean distance {gap:.3g} nats a token)"
    must(gap <= rounding(policy), f"{said}: divide logits by the temperature in every pass")
    generator = torch.Generator().manual_seed(0)
    states_NH, weight_VH, reference_NH = (torch.randn(n, 4, generator=generator) for n in (3, 7, 3))
    tokens_N = torch.tensor([1, 5, 6])
    found = token_statistics(states_NH, weight_VH, tokens_N, reference=reference_NH, temperature=temperature)
    assert found.reference_logprobs is not None
    for ours, states in ((found.logprobs, states_NH), (found.reference_logprobs, reference_NH)):
        plain = (states @ weight_VH.T / temperature).log_softmax(-1).gather(1, tokens_N[:, None])[:, 0]
        near(ours, plain, "the temperature is missing from policy or reference", within=1e-5)


def t20_two_passes_are_equal_to_the_bit(policy: Policy, rows: Sequence[Row]) -> None:
    """No dropout is on, in a module or in a config: with nothing learned, log-probs come again to the bit."""
    on = [name for name, module in policy.model.named_modules() if module.training]
    must(not on, f"{len(on)} modules are in training mode ({', '.join(on[:3])} ...): call eval() on the model")
    network = HeadedPolicy(policy)
    for one, other in zip(logprobs_of(network, rows), logprobs_of(network, rows), strict=True):
        near(one, other, "two passes differ with the same weights: is dropout on in the model's config?", within=0.0)


@torch.no_grad()
def t21_the_first_step_begins_at_the_reference(policy: Policy, rows: Sequence[Row]) -> None:
    """With a fresh adapter ratio is 1 and KL 0; when it has moved, the reference is still the untouched model."""
    network = HeadedPolicy(policy)
    first = said_of(network, rows, reference=True)
    with moved_weights(policy):
        moved = said_of(network, rows, reference=True)
    assert first.logprobs_BT is not None
    assert first.reference_logprobs_BT is not None
    assert first.kl_BT is not None
    assert moved.reference_logprobs_BT is not None
    assert moved.kl_BT is not None
    within = rounding(policy)
    near(
        first.logprobs_BT, first.reference_logprobs_BT, "the first ratio is not 1: is the adapter fresh?", within=within
    )
    near(first.kl_BT, torch.zeros(1), "the first KL is not 0: policy and reference are computed unlike", within=within)
    must(float(moved.kl_BT.max()) > 1e-6, "the KL stays 0 when weights move: the reference is the policy itself")
    one, other = first.reference_logprobs_BT, moved.reference_logprobs_BT
    near(one, other, "the reference moves with the policy: switch the adapter off for it", within=within)


def t22_ratios_compare_like_with_like(policy: Policy, rows: Sequence[Row]) -> None:
    """Old log-probs come of the same pass as the loss's, at the window's start; the batch's shape is only rounding."""
    network = HeadedPolicy(policy)
    for together, row in zip(logprobs_of(network, rows), rows, strict=True):
        alone = logprobs_of(network, [row])[0]
        near(together, alone, "a text's log-probs depend on its company", within=rounding(policy))
    once, thrice = (table_steps("grpo", passes=passes, learning_rate=1.0) for passes in (1, 3))
    must(
        once["clip_share"] == 0, f"one step on a window clips {once['clip_share']:.0%} of tokens: old is not the policy"
    )
    must(thrice["clip_share"] > 0, "three steps on a window clip nothing: old log-probs are taken anew at each")


def t23_the_sampler_is_corrected_for_on_its_own(policy: Policy, rows: Sequence[Row]) -> None:
    """The sampler's log-probs are the trainer's up to rounding; the rest is weighed, capped, apart from the ratio."""
    gap = sampler_gap(policy, rows, 1.0)
    must(
        gap <= rounding(policy),
        f"the sampler is {gap:.3g} nats a token from the trainer: do both read the same weights?",
    )
    old_BT, behaviour_BT = torch.tensor([[-1.0, -1.0]]), torch.tensor([[-1.5, -4.0]])
    found = truncated_importance(old_BT, behaviour_BT, 2.0)
    wanted = torch.tensor([[math.exp(0.5), 2.0]])
    near(found, wanted, "the weight of a token is not min(pi_trainer / pi_sampler, cap)", within=1e-6)


def sampler_gap(policy: Policy, rows: Sequence[Row], temperature: float) -> float:
    """Return the mean distance of the sampler's own log-probs from the trainer's, nats a token."""
    prompts = list(dict.fromkeys(row.prompt.id for row in rows))
    asked = [next(row.prompt for row in rows if row.prompt.id == name) for name in prompts][:2]
    drawn = EngineSampler(policy).sample(asked, Sampling(temperature=temperature, max_new_tokens=6), n=2, seed=1)
    fresh = [Row(p, c, fresh=True) for p, group in zip(asked, drawn, strict=True) for c in group]
    network = HeadedPolicy(policy, temperature=temperature, max_tokens=8)  # a limit on what is brought, not on this
    ours = torch.cat(logprobs_of(network, fresh))
    theirs = torch.tensor([value for row in fresh for value in row.completion.logprobs or ()])
    return float((ours - theirs).abs().mean())


def t24_each_kl_estimate_has_its_own_gradient() -> None:
    """By enumeration: k1 and k3 have the KL as their mean; as a loss only k2 (or the exact sum) has its gradient."""
    logits_V = torch.tensor([0.3, -1.0, 0.8, 0.1, -0.4], dtype=torch.float64, requires_grad=True)
    reference_V = torch.log_softmax(torch.tensor([0.0, 0.5, -0.3, 0.2, 1.0], dtype=torch.float64), -1)

    def mean_of(kind: Literal["k1", "k2", "k3"]) -> Tensor:
        log_V = torch.log_softmax(logits_V, -1)
        return (log_V.exp().detach() * kl_estimate(log_V, reference_V, kind)).sum()

    def slope(value: Tensor) -> Tensor:
        return torch.autograd.grad(value, logits_V)[0]

    log_V = torch.log_softmax(logits_V, -1)
    exact = (log_V.exp() * (log_V - reference_V)).sum()
    k1, k2, k3 = mean_of("k1"), mean_of("k2"), mean_of("k3")
    for name, found in (("k1", k1), ("k3", k3)):
        near(found, exact, f"{name} is no unbiased estimate of the KL", within=1e-12)
    true = slope(exact)
    near(slope(k2), true, "k2 as a loss has not the gradient of the KL", within=1e-12)
    near(slope(k1), torch.zeros(5), "k1 as a loss has a gradient, though its expectation has none", within=1e-12)
    must((slope(k3) - true).abs().max() > 1e-2, "k3 as a loss has the KL's gradient, which it cannot")


def t25_the_kl_controller_moves_little_and_is_saved() -> None:
    """A window moves the coefficient by a fifth at most, by its share of the horizon; a resumed run has it again."""
    begin = KLController(beta=0.1, target_nats=1.0, horizon=100)
    for kl_nats, wanted in ((100.0, 0.11), (0.0, 0.09), (1.1, 0.105)):
        beta = begin.after(kl_nats, 50).beta
        must(abs(beta - wanted) < 1e-9, f"a KL of {kl_nats} moves beta from 0.1 to {beta}, not to {wanted}")
    course = table_course("grpo", kl_target_nats=0.001, kl_horizon=10, config={"beta": 0.1})
    for _ in range(3):
        course.advance()
    again = table_course("grpo", kl_target_nats=0.001, kl_horizon=10, config={"beta": 0.1})
    again.load_state(*course.state())
    must(course.kl.beta != 0.1, "the controller never moved: is the measured KL handed to it?")
    must(again.kl.beta == course.kl.beta, "the controller begins anew after a resume: save its coefficient")


CHECKS = (
    t19_the_temperature_divides_everywhere,
    t20_two_passes_are_equal_to_the_bit,
    t21_the_first_step_begins_at_the_reference,
    t22_ratios_compare_like_with_like,
    t23_the_sampler_is_corrected_for_on_its_own,
    t24_each_kl_estimate_has_its_own_gradient,
    t25_the_kl_controller_moves_little_and_is_saved,
)
