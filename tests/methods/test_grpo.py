import dataclasses
import math

import pytest
import torch

from burnish import config as settings
from burnish.errors import InputError
from burnish.loop.recipe import GrpoSettings
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import grpo

NAN = float("nan")


def batch(rewards, lengths, *, truncated=None, groups=None, **more) -> Batch:
    n = len(rewards)
    return Batch(
        completion_mask_BT=length_mask(lengths),
        group_B=torch.tensor(groups or [i // 2 for i in range(n)]),
        rewards_B=torch.tensor(rewards),
        truncated_B=None if truncated is None else torch.tensor(truncated),
        scalars={"max_new_tokens": 10.0},
        **more,
    )


def share(made: Batch, config: grpo.Config, **outputs: torch.Tensor) -> torch.Tensor:
    shape = made.completion_mask_BT.shape
    return grpo.loss(made, Outputs(**{"logprobs_BT": torch.zeros(shape), **outputs}), config)[0]


# ---------------------------------------------------------------------------------------------------------- by hand


@pytest.mark.parametrize(
    ("normaliser", "expected"),
    [
        # by hand: advantages -1, 1; losses of a token 1, -1 at ratio 1; lengths 2, 4; length limit 10
        ("constant", [2 / 20, -4 / 20]),
        ("token", [2 / 6, -4 / 6]),
        ("completion", [1 / 2, -1 / 2]),
    ],
)
def test_the_share_of_each_completion(normaliser, expected):
    config = grpo.Config(normaliser=normaliser, beta=0.0)
    made = grpo.targets(batch([1.0, 3.0], [2, 4]), config)
    assert share(made, config).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("normaliser", ["constant", "token", "completion"])
def test_a_flat_group_pulls_to_the_untouched_model_unless_it_is_dropped_as_if_it_had_not_been_drawn(normaliser):
    """Trap T15. Unscored beside scored completions, of which only one is known, are flat as well."""
    flat = batch([1.0, 3.0, 0.7, 0.7, 5.0, NAN], [2, 4, 3, 3, 2, 2])
    kl = torch.full((6, 4), 0.5)
    for choice, pulls in (("keep", True), ("drop", False)):
        config = grpo.Config(beta=0.2, normaliser=normaliser, flat_groups=choice)
        found = share(grpo.targets(flat, config), config, kl_BT=kl)
        assert [value != 0 for value in found[2:].tolist()] == [pulls, pulls, pulls, False]
        alone = grpo.targets(batch([1.0, 3.0], [2, 4]), config)
        assert torch.allclose(found[:2], share(alone, config, kl_BT=kl[:2])) is not pulls


def test_a_window_of_flat_groups_alone_may_be_dropped():
    config = grpo.Config(beta=0.2, flat_groups="drop")
    made = grpo.targets(batch([0.7, 0.7], [2, 3]), config)
    assert share(made, config, kl_BT=torch.ones(2, 3)).tolist() == [0.0, 0.0]


def test_a_group_of_equal_scores_whose_steps_differ_is_not_flat():
    paid = torch.tensor([[1.0, NAN, 0.0], [0.0, NAN, 1.0]])  # the same in sum, at other places
    config = grpo.Config(beta=0.0, credit="process", flat_groups="drop")
    made = grpo.targets(batch([0.0, 0.0], [3, 3], token_rewards_BT=paid), config)
    assert made.completion_mask_BT.all()
    assert made.advantages_BT.abs().sum() > 0


def test_tokens_weigh_by_how_much_likelier_the_trainer_finds_them_up_to_the_cap():
    """Off, the sampler's log-probs change nothing; on, the policy's part is weighed and the divergence is not."""
    sampled = torch.tensor([[-1.0, -1.0, 0.0, 0.0], [-3.0, -1.0, -1.0, -2.0]])
    made = dataclasses.replace(batch([1.0, 3.0], [2, 4]), behaviour_logprobs_BT=sampled)
    logprobs = torch.full((2, 4), -1.0, requires_grad=True)
    kl = torch.ones(2, 4)
    weights = {0.0: [1, 1, 1, 1], 2.0: [2, 1, 1, 2], 3.0: [3, 1, 1, math.e]}  # exp(2) = 7.4 is capped
    for cap, expected in weights.items():
        config = grpo.Config(beta=0.1, importance_cap=cap)
        found = share(grpo.targets(made, config), config, logprobs_BT=logprobs, kl_BT=kl)
        # by hand: advantages -1, 1; ratio 1; 0.1 of divergence a token; over 2 * 10
        assert found.tolist() == pytest.approx([(2 + 0.2) / 20, (-sum(expected) + 0.4) / 20])
        (slope,) = torch.autograd.grad(found[1], logprobs)
        assert slope[1].tolist() == pytest.approx([-each / 20 for each in expected])


@pytest.mark.parametrize("cap", [0.5, -1.0, NAN, float("inf")])
def test_a_cap_that_would_shrink_every_token_is_refused(cap):
    with pytest.raises(InputError, match="importance_cap"):
        grpo.Config(importance_cap=cap)
    with pytest.raises(InputError, match="importance_cap"):
        GrpoSettings(importance_cap=cap)


def test_the_divergence_is_added_with_its_coefficient():
    config = grpo.Config(beta=0.5)
    made = grpo.targets(batch([1.0, 1.0], [2, 4]), config)
    kl = torch.tensor([[1.0, 2.0, 9.0, 9.0], [1.0, 1.0, 1.0, 1.0]])
    # by hand: no advantage; 0.5 * (1 + 2) and 0.5 * 4 over 2 * 10
    assert share(made, config, kl_BT=kl).tolist() == pytest.approx([1.5 / 20, 2 / 20])
    moved = dataclasses.replace(made, scalars={**made.scalars, "beta": 0.1})
    assert share(moved, config, kl_BT=kl).tolist() == pytest.approx([0.3 / 20, 0.4 / 20])


@pytest.mark.parametrize(("kind", "expected"), [("k1", 2.0), ("k2", 2.0), ("k3", 1.135335), ("exact", 7.0)])
def test_each_kind_of_divergence_reaches_the_loss(kind, expected):
    config = grpo.Config(beta=1.0, kl=kind)
    made = grpo.targets(batch([1.0, 1.0], [1, 1]), config)
    # by hand: d = 2: k1 = 2, k2 = 2, k3 = e^-2 - 1 + 2; exact is what the model says
    found = share(made, config, reference_logprobs_BT=torch.full((2, 1), -2.0), kl_BT=torch.full((2, 1), 7.0))
    assert found.tolist() == pytest.approx([expected / 20] * 2, rel=1e-5)


def test_old_log_probs_clip_and_are_counted():
    config = grpo.Config(beta=0.0, clip_low=0.2, clip_high=0.28)
    old = torch.zeros(2, 2)
    made = dataclasses.replace(grpo.targets(batch([1.0, 3.0], [2, 1]), config), old_logprobs_BT=old)
    logprobs = torch.tensor([[0.5, 0.1], [1.4, NAN]]).log()
    found, metrics = grpo.loss(made, Outputs(logprobs_BT=logprobs), config)
    # by hand: A = -1: max(0.5, 0.8) + max(0.1, 0.8); A = 1: -min(1.4, 1.28)
    assert found.tolist() == pytest.approx([1.6 / 20, -1.28 / 20])
    assert metrics["clip_share"].tolist() == [1.0, 1.0]


def test_without_old_log_probs_the_step_is_strictly_on_policy():
    config = grpo.Config(beta=0.0)
    made = grpo.targets(batch([0.0, 2.0], [2, 2]), config)
    logprobs = torch.tensor([[-3.0, -0.5], [-1.0, -7.0]], requires_grad=True)
    found, metrics = grpo.loss(made, Outputs(logprobs_BT=logprobs), config)
    found.sum().backward()
    assert found.tolist() == pytest.approx([2 / 20, -2 / 20])
    assert logprobs.grad.tolist() == [pytest.approx([1 / 20] * 2), pytest.approx([-1 / 20] * 2)]
    assert metrics["clip_share"].tolist() == [0.0, 0.0]


# ------------------------------------------------------------------------------------------ truncated completions


def test_penalise_lowers_the_reward_before_the_groups_mean_is_taken():
    config = grpo.Config(truncated="penalise", truncation_penalty=4.0)
    made = grpo.targets(batch([1.0, 3.0, 0.0, 0.0], [2, 2, 2, 2], truncated=[False, True, False, False]), config)
    assert made.rewards_B.tolist() == [1.0, -1.0, 0.0, 0.0]
    assert made.advantages_B.tolist() == [1.0, -1.0, 0.0, 0.0]
    assert made.completion_mask_BT.all()


def test_mask_takes_the_truncated_out_of_means_loss_counts_and_metrics_alike():
    config = grpo.Config(truncated="mask", beta=0.5)
    rewards, groups = [1.0, 9.0, 3.0, 5.0, 7.0, 5.0], [0, 0, 0, 1, 1, 1]
    flags = [False, True, False, False, False, True]
    made = grpo.targets(batch(rewards, [2, 4, 3, 1, 2, 4], truncated=flags, groups=groups), config)
    assert made.advantages_B.tolist() == [-1.0, 0.0, 1.0, -1.0, 1.0, 0.0]
    assert made.scalars["tokens"] == 2 + 3 + 1 + 2
    assert made.scalars["completions"] == 4
    outputs = Outputs(logprobs_BT=torch.zeros(6, 4), kl_BT=torch.ones(6, 4))
    found, metrics = grpo.loss(made, outputs, config)
    assert found[[1, 5]].tolist() == [0.0, 0.0]
    # by hand: (loss -A + 0.5 for each token) over 4 completions * 10
    assert found[0].item() == pytest.approx(2 * 1.5 / 40)
    # a completion that is left out has no divergence, rather than one of 0 that would drag the mean down
    assert metrics["kl_nats"].tolist() == pytest.approx([2, NAN, 3, 1, 2, NAN], nan_ok=True)


@pytest.mark.parametrize("normaliser", ["constant", "token", "completion"])
def test_a_window_of_nothing_but_truncated_completions_teaches_nothing(normaliser):
    config = grpo.Config(truncated="mask", beta=0.5, normaliser=normaliser)
    made = grpo.targets(batch([1.0, 9.0], [2, 4], truncated=[True, True]), config)
    logprobs = torch.full((2, 4), -1.0, requires_grad=True)
    found, metrics = grpo.loss(made, Outputs(logprobs_BT=logprobs, kl_BT=torch.ones(2, 4)), config)
    found.sum().backward()
    assert found.tolist() == [0.0, 0.0]
    assert logprobs.grad.eq(0).all()
    assert all(values.isnan().all() for values in metrics.values())


def test_keep_does_nothing():
    config = grpo.Config(truncated="keep", truncation_penalty=4.0)
    made = grpo.targets(batch([1.0, 3.0], [2, 2], truncated=[False, True]), config)
    assert made.advantages_B.tolist() == [-1.0, 1.0]
    assert made.completion_mask_BT.all()


def test_the_scale_reaches_the_advantages():
    found = {s: grpo.targets(batch([1.0, 3.0, 0.0, 8.0], [1] * 4), grpo.Config(scale=s)).advantages_B[1].item()
             for s in ("none", "std", "batch_std")}  # fmt: skip
    # by hand: 1; 1 / sqrt(2); 1 / sqrt(34 / 3)
    assert found == {"none": 1.0, "std": pytest.approx(0.7071, abs=1e-3), "batch_std": pytest.approx(0.2970, abs=1e-3)}


@pytest.mark.parametrize("credit", ["completion", "process"])
def test_an_unscored_completion_is_left_out_of_every_sum(credit):
    config = grpo.Config(beta=1.0, credit=credit)
    made = grpo.targets(batch([1.0, 3.0, NAN], [1, 1, 4], groups=[0, 0, 0]), config)
    assert made.advantages_B.tolist() == [-1.0, 1.0, 0.0]
    assert (made.scalars["tokens"], made.scalars["completions"]) == (2.0, 2.0)
    # by hand: (1 + 6) and (-1 + 6), over 2 completions of at most 10 tokens
    assert share(made, config, kl_BT=torch.full((3, 4), 6.0)).tolist() == pytest.approx([7 / 20, 5 / 20, 0.0])


def test_no_coefficient_asks_for_no_reference():
    assert grpo.needs(grpo.Config(beta=0.0)).views == ()
    assert grpo.needs(grpo.Config(beta=0.01)).views == ("reference",)


def test_metrics_by_hand():
    config = grpo.Config(beta=0.0)
    made = dataclasses.replace(
        grpo.targets(batch([1.0, 3.0], [2, 1]), config),
        behaviour_logprobs_BT=torch.tensor([[-1.0, -2.0], [-3.0, NAN]]),
    )
    outputs = Outputs(
        logprobs_BT=torch.tensor([[-1.5, -2.0], [-4.0, NAN]]),
        kl_BT=torch.tensor([[0.25, 0.5], [2.0, NAN]]),
        entropy_BT=torch.tensor([[1.0, 2.0], [4.0, NAN]]),
    )
    _, metrics = grpo.loss(made, outputs, config)
    assert {name: values.tolist() for name, values in metrics.items()} == {
        "clip_share": [0.0, 0.0],
        "kl_nats": [0.75, 2.0],  # summed over a completion's tokens
        "entropy": [1.5, 4.0],
        "sampler_gap": [0.25, 1.0],
    }


# ------------------------------------------------------------------------------------------- whole completions, steps


def test_gspo_clips_whole_completions_by_hand():
    config = grpo.Config(beta=0.0, ratio="sequence", normaliser="completion", clip_low=0.2, clip_high=0.28)
    made = dataclasses.replace(grpo.targets(batch([1.0, 3.0], [2, 1]), config), old_logprobs_BT=torch.zeros(2, 2))
    logprobs = torch.tensor([[0.4, -0.8], [0.3, NAN]], requires_grad=True)
    found, metrics = grpo.loss(made, Outputs(logprobs_BT=logprobs), config)
    # by hand: A = -1, ratio exp(-0.2) within the clip; A = 1, ratio exp(0.3) above it
    assert found.tolist() == pytest.approx([math.exp(-0.2) / 2, -1.28 / 2])
    assert metrics["clip_share"].tolist() == [0.0, 1.0]
    found.sum().backward()
    # s * A over the length, the same for both tokens
    assert logprobs.grad.tolist() == [pytest.approx([math.exp(-0.2) / 4] * 2), [0.0, 0.0]]


def test_strictly_on_policy_whole_completions_and_tokens_have_the_same_gradient():
    slopes = []
    for ratio in ("token", "sequence"):
        config = grpo.Config(beta=0.0, ratio=ratio)
        logprobs = torch.tensor([[-1.0, -2.0], [-0.5, -3.0]], requires_grad=True)
        share(grpo.targets(batch([1.0, 3.0], [2, 2]), config), config, logprobs_BT=logprobs).sum().backward()
        slopes.append(logprobs.grad)
    assert torch.allclose(*slopes)


def test_a_tokens_weight_and_whole_completions_contradict_each_other():
    for settings_of in (grpo.Config, GrpoSettings):
        with pytest.raises(InputError, match="importance_cap"):
            settings_of(ratio="sequence", importance_cap=2.0)


def test_process_rewards_are_paid_to_the_tokens_before_them():
    config = grpo.Config(beta=0.0, credit="process")
    steps = torch.tensor([[1.0, NAN, 3.0], [NAN, 5.0, NAN]])
    made = grpo.targets(batch([2.0, 4.0], [3, 2], token_rewards_BT=steps), config)
    # by hand: scores -1, 1; steps 1, 3, 5 have mean 3: -2, 0, 2
    assert made.advantages_BT.tolist() == [[-3.0, -1.0, -1.0], [3.0, 3.0, 1.0]]
    found = share(made, config)
    assert found.tolist() == pytest.approx([5 / 20, -6 / 20])
    unasked = grpo.targets(batch([2.0, 4.0], [3, 2], token_rewards_BT=steps), grpo.Config(beta=0.0))
    assert unasked.advantages_BT is None
    assert unasked.advantages_B.tolist() == [-1.5, 1.5]  # of 2 + 4 and 4 + 5: what tokens are paid is part of the score


def test_a_whole_completions_ratio_leaves_each_token_its_own_credit():
    config = grpo.Config(beta=0.0, credit="process", ratio="sequence", clip_low=0.9, clip_high=9.0)
    steps = torch.tensor([[1.0, 3.0], [5.0, NAN]])
    made = grpo.targets(batch([2.0, 2.0], [2, 1], token_rewards_BT=steps), config)
    made = dataclasses.replace(made, old_logprobs_BT=torch.full((2, 2), -1.0))
    logprobs = torch.tensor([[-0.5, -0.9], [-1.0, 0.0]], requires_grad=True)
    share(made, config, logprobs_BT=logprobs).sum().backward()
    # by hand: steps less their mean -2, 0, 2: advantages -2, 0 and 2; ratio exp(0.3) and 1; over 2 * 10
    assert logprobs.grad[0].tolist() == pytest.approx([2 * math.exp(0.3) / 20, 0.0])
    assert logprobs.grad[1].tolist() == pytest.approx([-2 / 20, 0.0])


def test_the_recipe_has_the_same_settings():
    """`burnish run --help` must not import torch, so the recipe repeats them: names, values, defaults and words."""
    repeated = [key for key in settings.describe(GrpoSettings) if key.name != "minibatches"]
    assert tuple(repeated) == settings.describe(grpo.Config)
