"""Drawing from what a method makes of the policy's logits and the untouched model's: Nash-MD's mixture.

A plain loop: for every token all texts are read anew, twice, so that n tokens cost n / 2 times what reading the n costs
(and a prompt once for all its completions). The engines, which keep what they have read, know one model at a time; they
draw wherever the reference is not wanted (`HeadedPolicy.sampler`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
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
            logits_BV = self.act(self._says([(requests[row].prompt, tokens[row]) for row in going]))
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

    def _says(self, texts: Sequence[tuple[tuple[int, ...], list[int]]]) -> Says:
        """Return what the network says of the token after each (prompt, what was drawn so far)."""
        groups = [(prompt, [drawn for _, drawn in some]) for prompt, some in groupby(texts, key=itemgetter(0))]
        # one token more, which does not matter: the state that would predict it is the last one wanted
        packed = pack([prompt for prompt, _ in groups], [[[*drawn, 0] for drawn in some] for _, some in groups])
        last_B = torch.tensor(packed.lengths_B).cumsum(0) - 1
        policy = self.network.policy
        return self.network.says(policy.states(packed)[last_B], policy.states(packed, adapter=False)[last_B])
