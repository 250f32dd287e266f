"""Do small models learn from nothing, and adapters of every kind from a model that has learned?

python benchmarks/small_models.py [--steps 100] [--threads 1]

Texts are those of the smoke task: a thing and an opinion are asked for, one to three short sentences answer. Printed:
negative log-likelihood, in nats a token, of answers about things that training never saw, at the start and at the end,
beside that of counts (one token, pairs of tokens) over the same tokens. Then each adapter on the trained decoder, which
spoke of any opinion, taught to praise whatever it is asked about.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from burnish.models import small
from burnish.models.packing import Packed, pack
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig
from burnish.records import Prompt, seed_of
from burnish.tasks import smoke

KINDS = {
    "decoder": {"kind": "decoder"},
    "GRU": {"kind": "gru"},
    "LSTM": {"kind": "lstm"},
    "encoder-decoder": {"kind": "encoder_decoder"},
    "encoder-decoder, forcing 0.75": {"kind": "encoder_decoder", "teacher_forcing": 0.75},
}
ADAPTERS = {
    "lora, rank 8": TuningConfig("lora", rank=8, alpha=16.0),
    "adalora, rank 12 to 8": TuningConfig("adalora", rank=12, target_rank=8, alpha=16.0),
    "ia3": TuningConfig("ia3"),
    "prefix, 8 places": TuningConfig("prefix", tokens=8),
    "bottleneck, width 16": TuningConfig("bottleneck", width=16),
    "top layer": TuningConfig("layers", top=1),
    "full": TuningConfig("full"),
}
RATES = {"prefix": 3e-2, "ia3": 3e-2, "layers": 3e-3, "full": 3e-3}
ROWS = 32
TEXTS = 1000


@dataclass(frozen=True)
class Dialogue:
    """A prompt and its answer."""

    prompt: Prompt
    answer: str


def dialogues(split: str, count: int, *, seed: int, wanted: float | None = None) -> list[Dialogue]:
    """Return answers about things of this split, of this opinion, from -3 to 3, or of any."""
    draw = random.Random(seed_of("small models", split, seed))
    asked = [prompt for prompt in smoke.prompts() if prompt.split == split]
    found = []
    for _ in range(count):
        prompt = draw.choice(asked)
        opinion = draw.uniform(-3, 3) if wanted is None else wanted
        found.append(Dialogue(prompt, smoke.write(draw, prompt.metadata["words"][0], opinion)[0]))
    return found


def rows_of(policy: Policy, some: Sequence[Dialogue]) -> Packed:
    """Return prompts with their answers, each ended once."""
    end = policy.tokenizer.eos_token_id
    answers = [[*policy.tokenizer(each.answer, add_special_tokens=False)["input_ids"], end] for each in some]
    return pack([policy.encode(each.prompt) for each in some], [[ids] for ids in answers])


@torch.no_grad()
def nats(policy: Policy, some: Sequence[Dialogue]) -> float:
    """Return the mean negative log-likelihood of a token of the answers."""
    parts = [policy.statistics(rows_of(policy, some[i : i + 64]), temperature=1.0, reference=False).logprobs
             for i in range(0, len(some), 64)]  # fmt: skip
    return -float(torch.cat(parts).mean())


def train(policy: Policy, some: Sequence[Dialogue], steps: int, rate: float) -> float:
    """Imitate the answers; return the seconds it took. Scheduled sampling is on where the model asks for it."""
    began = time.monotonic()
    optimiser = torch.optim.AdamW(policy.parameters().values(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    draw = random.Random(0)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 20) * (1 - step / steps)
        with policy.noisy(seed_of("noise", step)):
            rows = rows_of(policy, draw.sample(list(some), ROWS))
            (-policy.statistics(rows, temperature=1.0, reference=False).logprobs.mean()).backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters().values(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        policy.after_step(step)
    return time.monotonic() - began


def counted(policy: Policy, seen: Sequence[Dialogue], unseen: Sequence[Dialogue]) -> tuple[float, float]:
    """Return nats a token of unseen answers by counts of seen ones: of tokens, and of pairs mixed with those."""
    ones, twos, firsts = Counter[int](), Counter[tuple[int, int]](), Counter[int]()
    for tokens in _answers(policy, seen):
        ones.update(tokens)
        for pair in zip([-1, *tokens], tokens, strict=False):
            twos[pair] += 1
            firsts[pair[0]] += 1
    total, size = sum(ones.values()), len(policy.tokenizer)
    by_one, by_two = list[float](), list[float]()
    for tokens in _answers(policy, unseen):
        for before, token in zip([-1, *tokens], tokens, strict=False):
            alone = (ones[token] + 0.1) / (total + 0.1 * size)
            by_one.append(alone)
            by_two.append((twos[before, token] + alone) / (firsts[before] + 1))
    one, two = (-float(torch.tensor(each).log().mean()) for each in (by_one, by_two))
    return one, two


def _answers(policy: Policy, some: Sequence[Dialogue]) -> list[list[int]]:
    rows = rows_of(policy, some)
    return [part.tolist() for part in torch.split(rows.token_M, rows.lengths_B)]


def from_nothing(folder: Path, steps: int) -> Path:
    """Print a line for each kind of model; return the folder of the trained decoder."""
    seen, unseen = (dialogues(split, n, seed=0) for split, n in (("train", TEXTS), ("test", 300)))
    texts = [text for each in seen for text in (each.prompt.text, each.answer)]
    print(f"{'model':32}{'weights':>9}{'before':>8}{'after':>8}{'seconds':>9}")
    for name, made in KINDS.items():
        small.make(folder / name, **made, texts=texts, vocabulary=400, hidden=64, layers=2)
        policy = Policy.load(folder / name, name=name)
        policy.adapt(TuningConfig("full"))
        before = nats(policy, unseen)
        seconds = train(policy, seen, steps, 1e-2)
        size = sum(p.numel() for p in policy.parameters().values())
        print(f"{name:32}{size:9,}{before:8.2f}{nats(policy, unseen):8.2f}{seconds:9.1f}", flush=True)
        if name == "decoder":
            (folder / "trained").mkdir()
            policy.save(folder / "trained")
            one, two = counted(policy, seen, unseen)
    print(f"{'counts of tokens':32}{'':9}{'':8}{one:8.2f}\n{'counts of pairs':32}{'':9}{'':8}{two:8.2f}\n")
    return folder / "trained"


def from_the_trained(folder: Path, steps: int) -> None:
    """Print a line for each adapter on the trained decoder."""
    seen, unseen = (dialogues(split, n, wanted=3.0, seed=1) for split, n in (("train", TEXTS), ("test", 300)))
    print(f"{'trained':32}{'weights':>9}{'before':>8}{'after':>8}{'seconds':>9}")
    for name, config in ADAPTERS.items():
        policy = Policy.load(folder, name=name)
        policy.adapt(TuningConfig(**{**vars(config), "steps": steps}))
        before = nats(policy, unseen)
        seconds = train(policy, seen, steps, RATES.get(config.kind, 1e-2))
        size = sum(p.numel() for p in policy.parameters().values())
        print(f"{name:32}{size:9,}{before:8.2f}{nats(policy, unseen):8.2f}{seconds:9.1f}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--steps", type=int, default=100)
    asked.add_argument("--threads", type=int, default=1)
    options = asked.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        from_the_trained(from_nothing(Path(folder), options.steps), options.steps)


if __name__ == "__main__":
    main()
