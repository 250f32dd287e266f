"""The parts together learn what they are paid for, and the opposite when the sign is wrong."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish.maths.batch import Batch, length_mask
from burnish.methods import grpo, reward, score_reward
from burnish.models.policy import Policy, PolicyInputs
from burnish.models.reward_model import RewardModel, RewardModelConfig
from burnish.models.sampler import EngineSampler
from burnish.records import Prompt, Sampling
from burnish.training.optimiser import OptimiserConfig
from burnish.training.trainer import Slice, Trainer

PROMPTS = [Prompt.of(text) for text in ("hi", "the good lamp", "a")]
SAMPLING = Sampling(temperature=0.9, max_new_tokens=5)
WANTED = frozenset(range(60, 90))
"""Tokens a completion is paid for; the untouched model says them one time in nine."""
GROUP = 8


def rollout(policy: Policy, config: grpo.Config, *, seed: int, sign: float) -> tuple[Batch, list[Slice]]:
    """Return a window: completions of the policy as it is, paid for their share of wanted tokens."""
    groups = EngineSampler(policy).sample(PROMPTS, SAMPLING, n=GROUP, seed=seed)
    flat = [completion.token_ids for group in groups for completion in group]
    mask = length_mask([len(tokens) for tokens in flat])
    batch = Batch(
        completion_mask_BT=mask,
        group_B=torch.arange(len(PROMPTS)).repeat_interleave(GROUP),
        rewards_B=sign * torch.tensor([sum(token in WANTED for token in tokens) / len(tokens) for tokens in flat]),
        scalars={"max_new_tokens": float(SAMPLING.max_new_tokens)},
    )
    slices = []
    for rows in torch.arange(len(flat)).split(2 * GROUP):
        part = slice(int(rows[0]) // GROUP, int(rows[-1]) // GROUP + 1)
        packed = policy.pack(PROMPTS[part], groups[part])
        slices.append(Slice(rows, PolicyInputs(packed, SAMPLING.temperature, mask.shape[1])))
    return grpo.targets(batch, config), slices


@torch.no_grad()
def chance_of_wanted(policy: Policy) -> float:
    """Return the probability that the first token is a wanted one, in the mean over prompts."""
    chances = []
    for prompt in PROMPTS:
        logits = policy.model(input_ids=torch.tensor([policy.encode(prompt)])).logits[0, -1]
        chances.append(float((logits / SAMPLING.temperature).softmax(-1)[sorted(WANTED)].sum()))
    return sum(chances) / len(chances)


def started(folder, config: grpo.Config, *, steps: int, adapter_seed: int = 1) -> tuple[Policy, Trainer]:
    policy = Policy.load(folder)
    policy.add_lora(rank=4, alpha=8.0, seed=adapter_seed)
    optimiser = OptimiserConfig(learning_rate=0.01, warmup_steps=2)
    return policy, Trainer(policy, grpo, config, optimiser, steps=steps)


def trained(folder, *, sign: float, steps: int = 14, **settings) -> tuple[Policy, list[dict[str, float]]]:
    config = grpo.Config(**settings)
    policy, trainer = started(folder, config, steps=steps)
    return policy, [trainer.advance(*rollout(policy, config, seed=step, sign=sign)) for step in range(steps)]


@pytest.mark.parametrize("normaliser", ["constant", "token"])
def test_grpo_learns_to_say_what_it_is_paid_for(tiny_folder, normaliser):
    before = chance_of_wanted(Policy.load(tiny_folder))
    policy, metrics = trained(tiny_folder, sign=1.0, normaliser=normaliser, beta=0.01)
    assert 0.05 < before < 0.25
    assert chance_of_wanted(policy) > 2 * before
    assert metrics[0]["kl_nats"] == 0.0
    assert metrics[-1]["kl_nats"] > 0.1
    assert all(0 <= each["clip_share"] < 1e-9 for each in metrics)  # one step a window: strictly on-policy


def test_its_twin_with_the_wrong_sign_says_it_less(tiny_folder):
    before = chance_of_wanted(Policy.load(tiny_folder))
    policy, _ = trained(tiny_folder, sign=-1.0, beta=0.01)
    assert chance_of_wanted(policy) < 0.6 * before


def test_a_large_coefficient_keeps_it_near_the_untouched_model(tiny_folder):
    _, free = trained(tiny_folder, sign=1.0, beta=0.0, steps=1)
    _, held = trained(tiny_folder, sign=1.0, beta=0.01, steps=8)
    _, tied = trained(tiny_folder, sign=1.0, beta=3.0, steps=8)
    assert tied[-1]["kl_nats"] < 0.3 * held[-1]["kl_nats"]
    assert "kl_nats" not in free[-1]


def test_equal_rewards_and_no_divergence_teach_nothing(tiny_folder):
    config = grpo.Config(beta=0.0)
    policy, trainer = started(tiny_folder, config, steps=1)
    before = policy.state()
    metrics = trainer.advance(*rollout(policy, config, seed=0, sign=0.0))
    assert metrics["gradient_norm"] == 0.0
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.state().items())


def test_the_weights_move_and_what_is_sampled_next_is_another_text(tiny_folder):
    config = grpo.Config(beta=0.0)
    policy, trainer = started(tiny_folder, config, steps=3)
    engine = EngineSampler(policy)
    before = [c.token_ids for group in engine.sample(PROMPTS, SAMPLING, n=4, seed=9) for c in group]
    names = {policy.fingerprint()}
    for step in range(3):
        trainer.advance(*rollout(policy, config, seed=step, sign=1.0))
        names.add(policy.fingerprint())
    assert len(names) == 4
    assert [c.token_ids for group in engine.sample(PROMPTS, SAMPLING, n=4, seed=9) for c in group] != before


@pytest.mark.parametrize("stop", [1, 3])
def test_an_interrupted_run_ends_as_one_that_was_not(tiny_folder, tmp_path, stop):
    """Rollouts included: bit for bit, through files, into an adapter that began elsewhere."""
    config = grpo.Config(beta=0.05)
    whole, trainer = started(tiny_folder, config, steps=4)
    expected = [trainer.advance(*rollout(whole, config, seed=step, sign=1.0)) for step in range(4)]

    first, trainer = started(tiny_folder, config, steps=4)
    for step in range(stop):
        trainer.advance(*rollout(first, config, seed=step, sign=1.0))
    save_file(first.state(), tmp_path / "policy.safetensors")
    save_file(trainer.state(), tmp_path / "optimiser.safetensors")

    second, resumed = started(tiny_folder, config, steps=4, adapter_seed=77)
    second.load_state(load_file(tmp_path / "policy.safetensors"))
    resumed.load_state(load_file(tmp_path / "optimiser.safetensors"), trainer.step)
    found = [resumed.advance(*rollout(second, config, seed=step, sign=1.0)) for step in range(stop, 4)]
    assert found == expected[stop:]
    assert second.fingerprint() == whole.fingerprint()


# ------------------------------------------------------------------------------------------------------ reward heads

SHAPE = RewardModelConfig(template="{text}. It is very", layers=2, frozen=1, rank=4, heads=2, max_tokens=40)
FILLERS = ("the", "a", "lamp", "in", "it")


def sentences(n: int, seed: int) -> tuple[list[str], Tensor]:
    """Return texts of five words, and how good each is: its "good"s less its "bad"s."""
    generator = torch.Generator().manual_seed(seed)
    texts, values = [], []
    for _ in range(n):
        picks = torch.randint(len(FILLERS) + 4, (5,), generator=generator).tolist()
        words = [FILLERS[p] if p < len(FILLERS) else ("good", "bad")[p % 2] for p in picks]
        texts.append("so " + " ".join(words))
        values.append(words.count("good") - words.count("bad"))
    return texts, torch.tensor(values, dtype=torch.float32)


def learned(folder, method, config, make_batch, *, steps: int = 60) -> RewardModel:
    model = RewardModel.fresh(folder, SHAPE, dtype="float32", seed=0)
    texts, values = sentences(160, seed=1)
    states = model.activations([model.encode(text) for text in texts])
    optimiser = OptimiserConfig(learning_rate=0.01, warmup_steps=5, schedule="linear")
    trainer = Trainer(model, method, config, optimiser, steps=steps, rates={"score": 3.0})
    generator = torch.Generator().manual_seed(2)
    for _ in range(steps):
        rows = torch.randint(len(texts), (24,), generator=generator)
        batch, rows = make_batch(rows, values[rows])
        trainer.advance(batch, [Slice(torch.arange(len(batch)), [states[i] for i in rows.tolist()])])
    return model


def in_pairs(rows: Tensor, values: Tensor, sign: float = 1.0) -> tuple[Batch, Tensor]:
    """Neighbours become pairs, the better one first; sign = -1 puts the worse one first."""
    swap = (sign * (values[1::2] - values[0::2]) > 0)[:, None]
    rows = torch.where(swap, rows.view(-1, 2).flip(1), rows.view(-1, 2))
    kept = (values[0::2] != values[1::2])[:, None].float()
    n = len(rows)
    batch = Batch(
        length_mask([1] * (2 * n)),
        torch.arange(n).repeat_interleave(2),
        probability_B=torch.full((2 * n,), 0.95),
        weights_BK=kept.expand(-1, 2).repeat_interleave(2, dim=0),
        scalars={"weight": float(2 * kept.sum())},
    )
    return batch, rows.reshape(-1)


def pair_accuracy(model: RewardModel) -> float:
    """On texts that taught nothing."""
    texts, values = sentences(120, seed=5)
    rewards = model.predict(texts).mean(1)
    first, second = torch.triu_indices(120, 120, 1)
    apart = values[first] != values[second]
    right = (rewards[first] > rewards[second]) == (values[first] > values[second])
    return float(right[apart].float().mean())


def test_preferences_teach_the_order_and_turned_round_its_opposite(tiny_folder):
    config = reward.Config(heads=2)
    right = learned(tiny_folder, reward, config, in_pairs)
    wrong = learned(tiny_folder, reward, config, lambda rows, values: in_pairs(rows, values, sign=-1.0))
    assert pair_accuracy(right) > 0.8
    assert pair_accuracy(wrong) < 0.2


def test_scores_teach_the_rating_and_the_surer_ones_teach_more(tiny_folder):
    """Every text is rated twice: rightly, and wrongly (its opposite); the variance says which to believe."""

    def batch_of(variance_of_wrong: float):
        config = score_reward.Config(heads=2, slack=0.5)
        weights = [score_reward.weight(variance, config) for variance in (0.5, variance_of_wrong)]

        def make(rows: Tensor, values: Tensor) -> tuple[Batch, Tensor]:
            targets = torch.cat([values, -values])[:, None].expand(-1, 2)
            weights_BK = torch.tensor(weights).repeat_interleave(len(rows))[:, None].expand(-1, 2)
            batch = Batch(length_mask([1] * len(targets)), torch.arange(len(targets)), targets_BK=targets,
                          weights_BK=weights_BK, scalars={"weight": float(weights_BK.sum())})  # fmt: skip
            return batch, torch.cat([rows, rows])

        return learned(tiny_folder, score_reward, config, make)

    assert pair_accuracy(batch_of(20.0)) > 0.8
    assert pair_accuracy(batch_of(0.01)) < 0.2


def test_every_head_learns_from_its_own_weights(tiny_folder):
    """The second head sees nothing but turned pairs: it learns the opposite of the first."""

    def make(rows: Tensor, values: Tensor) -> tuple[Batch, Tensor]:
        right, one = in_pairs(rows, values)
        wrong, other = in_pairs(rows, values, sign=-1.0)
        heads = torch.cat([right.weights_BK * torch.tensor([1.0, 0.0]), wrong.weights_BK * torch.tensor([0.0, 1.0])])
        both = dataclasses.replace(
            right,
            completion_mask_BT=length_mask([1] * len(heads)),
            group_B=torch.cat([right.group_B, right.group_B + len(right)]),
            probability_B=right.probability_B.repeat(2),
            weights_BK=heads,
        )
        return both, torch.cat([one, other])

    model = learned(tiny_folder, reward, reward.Config(heads=2), make)
    texts, values = sentences(120, seed=5)
    rewards = model.predict(texts)
    assert torch.corrcoef(torch.stack([rewards[:, 0], values]))[0, 1] > 0.7
    assert torch.corrcoef(torch.stack([rewards[:, 1], values]))[0, 1] < -0.7
