"""What Nash-MD's opponents cost: drawn from the policy alone, from both models with caches, and with all read anew.

python benchmarks/opponents.py [--tokens 32] [--completions 4]

SmolLM2-135M-Instruct under LoRA of rank 8, as it is before training. Printed are seconds of processor, one thread, and
whether both ways to draw from the mixture drew the same tokens.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch

from burnish import corpora
from burnish.methods import nash_md
from burnish.models.acting import ActingSampler
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Prompt, Sampler, Sampling

ASKED = [Prompt.of("Tell me a story about a fox."), Prompt.of("What is rain?")]


def main() -> None:
    """Draw three times and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=32, help="of a completion, at most")
    parser.add_argument("--completions", type=int, default=4, help="drawn in all, even")
    given = parser.parse_args()
    torch.set_num_threads(1)
    policy = Policy.load(corpora.resolve("smollm2-135m"))
    policy.adapt(TuningConfig(rank=8), seed=0)
    network = HeadedPolicy(policy, sampling=Sampling())
    mixture = ActingSampler(network, partial(nash_md.behaviour, config=nash_md.Config()))

    def sample(sampler: Sampler) -> list[list[Completion]]:
        sampling = Sampling(max_new_tokens=given.tokens)
        return sampler.sample(ASKED, sampling, n=given.completions // len(ASKED), seed=1)

    timed("policy alone, its cache", lambda: sample(network.sampler()))
    kept = timed("mixture, both caches", lambda: sample(mixture))
    with patch.object(ActingSampler, "_engine", lambda self, rows: None):
        anew = timed("mixture, read anew", lambda: sample(mixture))
    print("the same tokens:", ids(kept) == ids(anew))


def timed(what: str, draw: Callable[[], list[list[Completion]]]) -> list[list[Completion]]:
    """Return what is drawn; print the seconds of processor it took."""
    began = time.process_time()
    found = draw()
    count = sum(len(each.token_ids or ()) for group in found for each in group)
    print(f"{what:24s} {time.process_time() - began:6.1f} s for {count} tokens", flush=True)
    return found


def ids(groups: list[list[Completion]]) -> list[tuple[int, ...] | None]:
    """Return the tokens of each completion."""
    return [each.token_ids for group in groups for each in group]


if __name__ == "__main__":
    main()
