"""Drawing from what a method makes of the model's logits: advantage-tilted, epsilon-greedy, mixed with the reference.

A plain loop: every step reads all texts anew, since heads and reference are wanted beside the logits. Correct first;
`models/engine.py` is what draws where the policy's own logits are meant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from burnish.maths.batch import Says
from burnish.models.draw import draw
from burnish.models.engine import STOP_TOKENS, Request, finish_of, uniforms_of
from burnish.models.packing import pack
from burnish.records import Completion, FinishReason, Prompt, Sampling, seed_of

if TYPE_CHECKING:
    from burnish.models.headed import HeadedPolicy

ROWS = 32
"""Completions drawn together at most."""


class ActingSampler:
    """`Sampler` that hands what the network says of the next token to `act`, and draws from what comes back."""

    def __init__(self, network: HeadedPolicy, act: Callable[[Says], Tensor]) -> None:
        self.network = network
        self.act = act

    @torch.no_grad()
    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt; each completion's log-probs are of what it was drawn from."""
        asked = [(prompt, index) for prompt in prompts for index in range(n)]
        found: list[Completion] = []
        for start in range(0, len(asked), ROWS):
            found += self._draw(asked[start : start + ROWS], sampling, seed, run, round)
        return [found[i * n : (i + 1) * n] for i in range(len(prompts))]

    def _draw(
        self, asked: Sequence[tuple[Prompt, int]], sampling: Sampling, seed: int, run: str, round: int
    ) -> list[Completion]:
        policy = self.network.policy
        requests = [  # behind the whole prompt, as the engine draws them and the trainer reads them
            Request(tuple(self.network.prompt_ids(p, sys.maxsize)), sampling, seed_of(seed, p.id, index))
            for p, index in asked
        ]
        uniforms = [uniforms_of(request) for request in requests]
        tokens: list[list[int]] = [[] for _ in requests]
        logprobs: list[list[float]] = [[] for _ in requests]
        ended: list[FinishReason | None] = [None] * len(requests)
        while going := [row for row, finish in enumerate(ended) if finish is None]:
            logits_BV = self.act(self._says([[*requests[row].prompt, *tokens[row]] for row in going]))
            place = len(tokens[going[0]])
            uniforms_B = torch.stack([uniforms[row][place] for row in going])
            token_B, logprob_B = draw(logits_BV.float(), uniforms_B, sampling)
            for row, token, logprob in zip(going, token_B.tolist(), logprob_B.tolist(), strict=True):
                tokens[row].append(token)
                logprobs[row].append(logprob)
                text = policy.decode(tokens[row][-STOP_TOKENS:]) if sampling.stop else ""
                ended[row] = finish_of(sampling, tokens[row], policy.end_ids, text)
        return [
            Completion(
                prompt.id,
                policy.decode(tokens[row]),
                tuple(tokens[row]),
                tuple(logprobs[row]),
                model=policy.name,
                sampling=sampling,
                finish_reason=ended[row] or FinishReason.LENGTH,
                run=run,
                round=round,
                index=index,
            )
            for row, (prompt, index) in enumerate(asked)
        ]

    def _says(self, texts: Sequence[list[int]]) -> Says:
        """Return what the network says of the token after each text."""
        policy, heads = self.network.policy, self.network.heads
        packed = pack(texts, [[[0]] for _ in texts])  # the state that predicts a token that does not matter
        states_BH = policy.states(packed)
        plain_BH = policy.states(packed, adapter=False)
        wide = states_BH.float()
        return Says(
            logits_BV=(states_BH @ policy.output_matrix().T).float(),
            reference_logits_BV=(plain_BH @ policy.output_matrix(untouched=True).T).float(),
            values_B=heads["value"](wide)[:, 0] if "value" in heads else None,
            q_BKV=heads["q"](wide).view(len(texts), -1, self.network.vocabulary) if "q" in heads else None,
        )
