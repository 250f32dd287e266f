"""GRPO from scratch: a small language model learns from a reward alone; one file, top to bottom, with torch only.

    python examples/grpo_from_scratch.py                 prints how the reward rises; ten seconds on one core

The model is shown two digits and is to say them backwards and then stop: "3 7" -> "7 3 <end>". Nobody shows it an
answer. It draws several, each is given a reward, and what did better than the others to the same prompt is made
likelier. That is all of GRPO; the rest of this file is what it takes to do it properly.

The formulas are those of `burnish.methods.grpo`; tests/examples/test_grpo_from_scratch.py trains both and finds the
same weights.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# ============================================================================ 1. the task
# Tensors end in their dimensions: B completions, T tokens of a completion, V vocabulary, P tokens of a prompt.

DIGITS, END = 10, 10  # tokens 0..9 are digits, token 10 ends a completion
VOCABULARY = 11
PROMPT_TOKENS = 2
MAX_NEW_TOKENS = 5  # a completion that has not ended by then is cut off


def draw_prompts(count: int, generator: torch.Generator) -> Tensor:
    """Return prompts of two digits, (count, P)."""
    return torch.randint(DIGITS, (count, PROMPT_TOKENS), generator=generator)


def reward_of(prompt_P: Tensor, completion: list[int]) -> float:
    """Return the share of places that are right, in [0, 1]: the second digit, the first, the end."""
    wanted = [int(prompt_P[1]), int(prompt_P[0]), END]
    right = sum(said == asked for said, asked in zip(completion, wanted, strict=False))
    return right / len(wanted)


# ============================================================================ 2. the policy
# A transformer of two layers. Any network that gives the log-probabilities of the next token would do.


class Block(nn.Module):
    """Attention to what came before, then a small network at each place; both are added to what flows through."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        rows, places, width = x.shape
        split = self.query_key_value(self.before_attention(x)).reshape(rows, places, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.mix(seen.transpose(1, 2).reshape(rows, places, width))
        return x + self.network(self.before_network(x))


class Policy(nn.Module):
    """Token ids in, log-probabilities of the next token out."""

    def __init__(self, width: int = 48, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, width)
        self.place = nn.Embedding(PROMPT_TOKENS + MAX_NEW_TOKENS, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (rows, places) -> log-probabilities, (rows, places, V)."""
        x = self.token(tokens) + self.place.weight[: tokens.shape[1]]
        return torch.log_softmax(self.head(self.norm(self.blocks(x))), dim=-1)


# ============================================================================ 3. sampling


@dataclass(frozen=True)
class Rollouts:
    """What was drawn: B completions, those of one prompt side by side."""

    prompts_BP: Tensor
    tokens_BT: Tensor
    mask_BT: Tensor
    """True for the tokens that were drawn, the end token among them. Made of lengths, never of token ids."""
    group_B: Tensor
    """Which prompt a completion answers."""
    truncated_B: Tensor
    """Reached the limit without ending."""


@torch.no_grad()
def sample(policy: Policy, prompts: Tensor, group: int, generator: torch.Generator) -> Rollouts:
    """Return `group` completions for each prompt, drawn token by token from the policy's own distribution."""
    prompts_BP = prompts.repeat_interleave(group, dim=0)
    running_B = torch.ones(len(prompts_BP), dtype=torch.bool)
    text, drawn, masks = prompts_BP, [], []
    for _ in range(MAX_NEW_TOKENS):
        chances_BV = policy(text)[:, -1].exp()
        token_B = torch.multinomial(chances_BV, 1, generator=generator)[:, 0]
        masks.append(running_B)
        drawn.append(torch.where(running_B, token_B, 0))  # what stands behind the end is masked: any token will do
        text = torch.cat([text, drawn[-1][:, None]], dim=1)
        running_B = running_B & (token_B != END)
    number_B = torch.arange(len(prompts)).repeat_interleave(group)
    return Rollouts(prompts_BP, torch.stack(drawn, 1), torch.stack(masks, 1), number_B, running_B)


def rewards_of(rollouts: Rollouts) -> Tensor:
    """Return the reward of each completion, (B,). This is where a reward model or a checker would stand."""
    lengths = rollouts.mask_BT.sum(-1).tolist()
    said = [tokens[:length].tolist() for tokens, length in zip(rollouts.tokens_BT, lengths, strict=True)]
    return torch.tensor([reward_of(prompt, each) for prompt, each in zip(rollouts.prompts_BP, said, strict=True)])


# ============================================================================ 4. what a policy says of completions


def distributions(policy: Policy, rollouts: Rollouts) -> Tensor:
    """Return the log-probabilities of every token at every place of the completions, (B, T, V).

    The token at place t is predicted from what stands before it: the distributions are those of one place earlier.
    Being off by one here trains on noise, and looks like slow learning.
    """
    text = torch.cat([rollouts.prompts_BP, rollouts.tokens_BT], dim=1)
    return policy(text)[:, PROMPT_TOKENS - 1 : -1]


def of_drawn(log_BTV: Tensor, rollouts: Rollouts) -> Tensor:
    """Return the log-probabilities of the tokens that were drawn, (B, T)."""
    return log_BTV.gather(-1, rollouts.tokens_BT[..., None])[..., 0]


# ============================================================================ 5. advantages


def advantages_of(rewards_B: Tensor, rollouts: Rollouts, truncation_penalty: float) -> Tensor:
    """Return how much better each completion did than the mean of its group, (B,).

    The group takes the place of a value network: the mean of the other answers to the same prompt is what was to be
    expected of it. We leave out GRPO's division by the group's standard deviation, as Dr. GRPO does: it would weigh
    prompts that are nearly solved, or nearly hopeless, most.
    """
    rewards_B = rewards_B - truncation_penalty * rollouts.truncated_B.to(rewards_B.dtype)
    by_group = rewards_B.reshape(int(rollouts.group_B.max()) + 1, -1)
    return (by_group - by_group.mean(dim=1, keepdim=True)).reshape(-1)


# ============================================================================ 6. the loss


@dataclass(frozen=True)
class Settings:
    """The defaults learn the task."""

    prompts: int = 16
    group: int = 8
    """Completions for each prompt; below about 4 the group's mean says little."""
    passes: int = 2
    """Optimiser steps on the same rollouts; from the second on the policy is no longer the one that drew them."""
    clip_low: float = 0.2
    clip_high: float = 0.28
    beta: float = 0.01
    """Weight of the KL to the untouched model: how dear it is to become another one."""
    truncation_penalty: float = 0.5
    learning_rate: float = 2e-3


def loss_of(
    log_BTV: Tensor, old_BT: Tensor, reference_BTV: Tensor, advantages_B: Tensor, rollouts: Rollouts, s: Settings
) -> Tensor:
    """Return the loss of a window of rollouts, a number.

    Each token's probability ratio to the policy that drew it says how far the token has been moved already. Where it
    has moved further than the clip in the direction that its advantage asks for, it earns nothing more: that keeps
    several steps on the same rollouts from running away.
    """
    logprobs_BT, mask_BT, advantage_B1 = of_drawn(log_BTV, rollouts), rollouts.mask_BT, advantages_B[:, None]
    ratio_BT = torch.exp(logprobs_BT - old_BT)
    clipped_BT = ratio_BT.clamp(1 - s.clip_low, 1 + s.clip_high)
    policy_BT = -torch.minimum(ratio_BT * advantage_B1, clipped_BT * advantage_B1)
    # the KL of the whole distribution at each place: with so few tokens there is no need to estimate it from one
    kl_BT = (log_BTV.exp() * (log_BTV - reference_BTV)).sum(-1)
    token_BT = torch.where(mask_BT, policy_BT + s.beta * kl_BT, 0.0)
    # divided by a constant: by each completion's own length, long wrong answers would be punished less than short ones
    return token_BT.sum() / (len(token_BT) * MAX_NEW_TOKENS)


# ============================================================================ 7. training


def train(steps: int, s: Settings, seed: int = 0, dtype: torch.dtype = torch.float32, quiet: bool = False) -> Policy:
    """Return a policy made of nothing and trained for so many windows."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    policy = Policy().to(dtype)
    reference = copy.deepcopy(policy).requires_grad_(False)
    optimiser = torch.optim.Adam(policy.parameters(), lr=s.learning_rate)
    for step in range(steps):
        rollouts = sample(policy, draw_prompts(s.prompts, generator), s.group, generator)
        rewards_B = rewards_of(rollouts).to(dtype)
        advantages_B = advantages_of(rewards_B, rollouts, s.truncation_penalty)
        with torch.no_grad():
            old_BT = of_drawn(distributions(policy, rollouts), rollouts)
            reference_BTV = distributions(reference, rollouts)
        for _ in range(s.passes):
            loss = loss_of(distributions(policy, rollouts), old_BT, reference_BTV, advantages_B, rollouts, s)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if not quiet and step % 25 == 0:
            # the loss itself says nothing: advantages of a group add up to 0. Look at the reward.
            length = float(rollouts.mask_BT.sum(-1).double().mean())
            print(f"step {step:4d}   reward {float(rewards_B.mean()):.3f}   length {length:.2f}", flush=True)
    return policy


if __name__ == "__main__":
    torch.set_num_threads(1)
    trained = train(steps=150, s=Settings())
    asked = torch.tensor([[3, 7], [9, 0], [4, 4]])
    for prompt, tokens in zip(
        asked.tolist(), sample(trained, asked, 1, torch.Generator().manual_seed(1)).tokens_BT, strict=True
    ):
        answer = tokens.tolist()
        print(prompt, "->", answer[: answer.index(END) + 1] if END in answer else answer)
