"""DPO from scratch: a small language model learns from what people preferred; one file, top to bottom, with torch only.

    python examples/dpo_from_scratch.py                  prints how taste is learned; ten seconds on one core

The model writes rows of digits. People like rows that climb ("2 5 9 <end>"), but nobody may say so: they are only shown
two rows at a time and asked which they like better, and they do not always agree with each other. From these answers,
with no reward model and without drawing a single new row in training, the model learns to write what they like.

The formulas are those of `burnish.methods.dpo`; tests/examples/test_dpo_from_scratch.py trains both and finds the same
weights.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# ============================================================================ 1. the language, and what people like
# Tensors end in their dimensions: B completions, T tokens, V vocabulary, N pairs.

DIGITS, END, START = 10, 10, 11  # tokens 0..9 are digits, 10 ends a row, 11 stands before it (the prompt)
VOCABULARY = 12
MAX_TOKENS = 6  # five digits and the end


def taste(tokens: list[int]) -> float:
    """Return how much people like a row: the steps up in it less the steps that are not. Training never sees this."""
    digits = [token for token in tokens if token != END]
    ups = [after > before for before, after in pairwise(digits)]
    return float(sum(ups) - (len(ups) - sum(ups)))


def share_of_votes(one: float, other: float, people: int, generator: torch.Generator) -> float:
    """Return which share of some people preferred the first of two rows: each of them as Bradley and Terry say."""
    chance = torch.sigmoid(torch.tensor(one - other))
    return float((torch.rand(people, generator=generator) < chance).float().mean())


# ============================================================================ 2. the model
# A recurrent network, for a change from the transformer of grpo_from_scratch.py: DPO does not care.


class Model(nn.Module):
    """Token ids in, log-probabilities of the next token out."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, width)
        self.recurrent = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (rows, places) -> log-probabilities, (rows, places, V)."""
        return torch.log_softmax(self.head(self.recurrent(self.token(tokens))[0]), dim=-1)


@dataclass(frozen=True)
class Rows:
    """B completions; those of a pair stand side by side, the preferred one first."""

    tokens_BT: Tensor
    mask_BT: Tensor
    """True for a row's own tokens, the end token among them: it has to be learned like any other."""


@torch.no_grad()
def sample(model: Model, count: int, generator: torch.Generator) -> Rows:
    """Return rows drawn token by token from the model's own distribution."""
    running_B = torch.ones(count, dtype=torch.bool)
    text, masks = torch.full((count, 1), START), []
    for _ in range(MAX_TOKENS):
        token_B = torch.multinomial(model(text)[:, -1].exp(), 1, generator=generator)[:, 0]
        masks.append(running_B)
        text = torch.cat([text, torch.where(running_B, token_B, 0)[:, None]], dim=1)
        running_B = running_B & (token_B != END)
    return Rows(text[:, 1:], torch.stack(masks, 1))


def texts(rows: Rows) -> list[list[int]]:
    """Return each row's own tokens."""
    return [tokens[mask].tolist() for tokens, mask in zip(rows.tokens_BT, rows.mask_BT, strict=True)]


# ============================================================================ 3. what a model says of rows


def logprobs(model: Model, rows: Rows) -> Tensor:
    """Return the log-probability of each token of the rows, (B, T); 0 where a row has none.

    The model reads the start and all tokens but the last, and predicts all tokens: each from what stands before it.
    What is masked is chosen away, not multiplied by 0: 0 times a NaN would be a NaN.
    """
    start = torch.full_like(rows.tokens_BT[:, :1], START)
    log_BTV = model(torch.cat([start, rows.tokens_BT[:, :-1]], dim=1))
    picked_BT = log_BTV.gather(-1, rows.tokens_BT[..., None])[..., 0]
    return torch.where(rows.mask_BT, picked_BT, 0.0)


# ============================================================================ 4. before preferences: imitation


def pretrained(generator: torch.Generator, steps: int = 150) -> Model:
    """Return a model that writes any rows of two to five digits: it knows the language, and nobody's taste."""
    model = Model()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        tokens_BT = torch.randint(DIGITS, (64, MAX_TOKENS), generator=generator)
        length_B1 = torch.randint(2, MAX_TOKENS, (64, 1), generator=generator)
        place_T = torch.arange(MAX_TOKENS)
        rows = Rows(torch.where(place_T == length_B1, END, tokens_BT), place_T <= length_B1)
        loss = -logprobs(model, rows).sum() / rows.mask_BT.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


# ============================================================================ 5. what people said


@dataclass(frozen=True)
class Preferences:
    """N pairs: rows 2i and 2i + 1, and the share of people who preferred the first of them."""

    rows: Rows
    probability_N: Tensor


def ask_people(model: Model, pairs: int, people: int, generator: torch.Generator) -> Preferences:
    """Return pairs of the model's own rows, each shown to so many people; the row that more of them liked stands first.

    We keep the share and not the majority: seven of ten is less than ten of ten, and the loss below knows.
    """
    rows = sample(model, 2 * pairs, generator)
    liked = [taste(text) for text in texts(rows)]
    order, shares = [], []
    for i in range(0, 2 * pairs, 2):
        share = share_of_votes(liked[i], liked[i + 1], people, generator)
        order += [i, i + 1] if share >= 0.5 else [i + 1, i]
        shares.append(max(share, 1 - share))
    return Preferences(Rows(rows.tokens_BT[order], rows.mask_BT[order]), torch.tensor(shares))


# ============================================================================ 6. the loss


@dataclass(frozen=True)
class Settings:
    """The defaults learn the taste."""

    pairs: int = 1000
    people: int = 9
    """How many people were shown each pair."""
    beta: float = 0.3
    """How dear distance from the reference is: small moves far."""
    learning_rate: float = 3e-3
    pairs_per_step: int = 50


def implied_rewards(policy_BT: Tensor, reference_BT: Tensor, beta: float) -> Tensor:
    """Return beta * log( pi(row) / ref(row) ) of each row, (B,).

    This is the reward for which pi would be the best policy under a KL to the reference: reinforcement learning read
    backwards. The policy is its own reward model, so fitting this to preferences is all the training there is.
    """
    return beta * (policy_BT.sum(-1) - reference_BT.sum(-1))


def loss_of(policy_BT: Tensor, reference_BT: Tensor, probability_N: Tensor, s: Settings) -> Tensor:
    """Return the mean loss of the pairs, a number: how badly the implied rewards foretell the shares."""
    reward_B = implied_rewards(policy_BT, reference_BT, s.beta)
    margin_N = reward_B[0::2] - reward_B[1::2]
    return -(probability_N * F.logsigmoid(margin_N) + (1 - probability_N) * F.logsigmoid(-margin_N)).mean()


# ============================================================================ 7. training


def some(preferences: Preferences, pairs: Tensor) -> Preferences:
    """Return these pairs; both rows of a pair stay together."""
    rows = torch.stack([2 * pairs, 2 * pairs + 1], dim=1).reshape(-1)
    return Preferences(
        Rows(preferences.rows.tokens_BT[rows], preferences.rows.mask_BT[rows]), preferences.probability_N[pairs]
    )


def train(model: Model, preferences: Preferences, steps: int, s: Settings, seed: int = 0, quiet: bool = False) -> Model:
    """Return a copy of the model, trained for so many steps."""
    generator = torch.Generator().manual_seed(seed)
    reference = copy.deepcopy(model).requires_grad_(False)  # the model as it is now, for good
    policy = copy.deepcopy(model)
    optimiser = torch.optim.Adam(policy.parameters(), lr=s.learning_rate)
    for step in range(steps):
        few = some(preferences, torch.randperm(len(preferences.probability_N), generator=generator)[: s.pairs_per_step])
        policy_BT, reference_BT = logprobs(policy, few.rows), logprobs(reference, few.rows)
        loss = loss_of(policy_BT, reference_BT, few.probability_N.to(policy_BT.dtype), s)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if not quiet and step % 20 == 0:
            report(step, float(loss.detach()), implied_rewards(policy_BT.detach(), reference_BT, s.beta), policy)
    return policy


def report(step: int, loss: float, reward_B: Tensor, policy: Model) -> None:
    """Print what is worth watching: a chosen reward below 0 means that what people liked becomes unlikely as well."""
    right = float((reward_B[0::2] > reward_B[1::2]).float().mean())
    liked = [taste(text) for text in texts(sample(policy, 500, torch.Generator().manual_seed(1)))]
    print(
        f"step {step:4d}   loss {loss:.3f}   pairs in order {right:.2f}   "
        f"chosen reward {float(reward_B[0::2].mean()):+.2f}   what people would think {sum(liked) / len(liked):+.2f}",
        flush=True,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chance = torch.Generator().manual_seed(0)
    settings = Settings()
    before = pretrained(chance)
    after = train(before, ask_people(before, settings.pairs, settings.people, chance), steps=200, s=settings)
    for name, each in (("before", before), ("after", after)):
        print(name, [text[:-1] for text in texts(sample(each, 4, torch.Generator().manual_seed(2)))])
