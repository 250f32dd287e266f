"""Drawing from what a method makes of the policy's logits and the untouched model's: Nash-MD's mixture.

Where the policy is an adapter on our own decoder, every text stands in two rows of one engine, as the policy reads it
and as the untouched model does, and both go on with the token that was drawn from the two (`Twice`). Elsewhere a plain
loop reads all texts anew for every token, twice, so that n tokens cost n / 2 times what reading the n costs (and a
prompt once for all its completions). Both draw the same but for rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from burnish.maths.batch import Says
from burnish.models.draw import draw
from burnish.models.engine import Drawn, Engine, Request, finish_of, uniforms_of, until_stop
from burnish.models.packing import pack
from burnish.models.sampler import rows_that_fit
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
        rows = self._rows(prompts, sampling)
        for start in range(0, len(asked), rows):
            found += self._draw(asked[start : start + rows], sampling, seed, run, round)
        return [found[i * n : (i + 1) * n] for i in range(len(prompts))]

    def _rows(self, prompts: Sequence[Prompt], sampling: Sampling) -> int:
        """Return how many completions are drawn together: each stands in two rows of a cache, where there is one."""
        decoder = self.network.policy.decoder
        if decoder is None:
            return ROWS
        longest = max((len(self.network.prompt_ids(p, sys.maxsize)) for p in prompts), default=0)
        return max(1, min(ROWS, rows_that_fit(decoder, longest + sampling.max_new_tokens) // 2))

    def _draw(
        self, asked: Sequence[tuple[Prompt, int]], sampling: Sampling, seed: int, run: str, round: int
    ) -> list[Completion]:
        policy = self.network.policy
        requests = [  # behind the whole prompt, as the engine draws them and the trainer reads them
            Request(tuple(self.network.prompt_ids(p, sys.maxsize)), sampling, seed_of(seed, p.id, index))
            for p, index in asked
        ]
        twice = self._engine(2 * len(requests))
        found = twice.draw(requests) if twice else self._read_anew(requests, sampling)
        return [
            Completion(
                prompt.id,
                until_stop(policy.decode([each.token for each in drawn]), sampling),
                tuple(each.token for each in drawn),
                tuple(each.logprob for each in drawn),
                model=policy.name,
                sampling=sampling,
                finish_reason=drawn[-1].finish or FinishReason.LENGTH,
                run=run,
                round=round,
                index=index,
            )
            for drawn, (prompt, index) in zip(found, asked, strict=True)
        ]

    def _engine(self, rows: int) -> Twice | None:
        """Return an engine for so many rows; None where one decoder's weights are not both models'."""
        policy = self.network.policy
        name = policy.adapter_name
        if policy.decoder is None or policy.untouched or name is None or policy.decoder.adapter(name) is None:
            return None
        engine = Twice(
            policy.decoder, policy.end_ids, policy.decode, rows=rows, packed=policy.packed(), read=lambda states: states
        )
        engine.refresh(name)
        engine.act = lambda own_BH, its_BH: self.act(self.network.says(own_BH, its_BH)).float()
        return engine

    def _read_anew(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Drawn]]:
        """Return what is drawn for each request, all texts read from their beginnings for every token."""
        policy = self.network.policy
        uniforms = [uniforms_of(request) for request in requests]
        tokens: list[list[int]] = [[] for _ in requests]
        found: list[list[Drawn]] = [[] for _ in requests]
        going = list(range(len(requests)))
        while going:
            logits_BV = self.act(self._says([(requests[row].prompt, tokens[row]) for row in going]))
            place = len(tokens[going[0]])
            uniforms_B = torch.stack([uniforms[row][place] for row in going])
            token_B, logprob_B = draw(logits_BV.float(), uniforms_B, sampling)
            for row, token, logprob in zip(going, token_B.tolist(), logprob_B.tolist(), strict=True):
                tokens[row].append(token)
                finish = finish_of(sampling, tokens[row], policy.end_ids, policy.decode)
                found[row].append(Drawn(row, token, logprob, finish))
            going = [row for row in going if found[row][-1].finish is None]
        return found

    def _says(self, texts: Sequence[tuple[tuple[int, ...], list[int]]]) -> Says:
        """Return what the network says of the token after each (prompt, what was drawn so far)."""
        groups = [(prompt, [drawn for _, drawn in some]) for prompt, some in groupby(texts, key=itemgetter(0))]
        # one token more, which does not matter: the state that would predict it is the last one wanted
        packed = pack([prompt for prompt, _ in groups], [[[*drawn, 0] for drawn in some] for _, some in groups])
        policy = self.network.policy
        last_B = torch.tensor(packed.lengths_B, device=policy.device).cumsum(0) - 1
        return self.network.says(policy.states(packed)[last_B], policy.states(packed, adapter=False)[last_B])


class Twice(Engine):
    """Decodes every text in two rows: under the adapter and without; each token is drawn from both and said in both."""

    act: Callable[[Tensor, Tensor], Tensor]
    """Final states (B, H) under the adapter and without -> what the next token is drawn from, (B, V)."""

    def draw(self, requests: Sequence[Request]) -> list[list[Drawn]]:
        """Return what is drawn for each request; there is room for all of them, twice."""
        (name,) = self.adapters
        # all of one kind, then all of the other: those of a prompt side by side, so that it is computed once for them
        own = [self.submit(replace(request, adapter=name)) for request in requests]
        self.other = dict(zip(own, [self.submit(request) for request in requests], strict=True))
        found: dict[int, list[Drawn]] = {number: [] for number in own}
        for each in self.run():
            found[each.request].append(each)
        return list(found.values())

    @torch.inference_mode()
    def step(self) -> list[Drawn]:
        """Admit all, then draw one token for every text; return the tokens."""
        self._admit()
        place = {row.number: number for number, row in enumerate(self.active)}
        both = [(place[own], place[its]) for own, its in self.other.items() if own in place]
        if not both or self.logits is None:
            return []
        own, its = map(list, zip(*both, strict=True))
        rows = [self.active[number] for number in own]
        uniforms_B = torch.stack([row.uniforms[len(row.tokens)] for row in rows])
        drawn_from_BV = self.act(self.logits[own], self.logits[its])  # final states here: `read` leaves them
        token_B, logprob_B = draw(drawn_from_BV, uniforms_B, [row.request.sampling for row in rows])
        found, ended = [], list[int]()
        for one, other, token, logprob in zip(own, its, token_B.tolist(), logprob_B.tolist(), strict=True):
            found.append(self._take(self.active[one], token, logprob))
            self._take(self.active[other], token, logprob)
            ended += [one, other] if found[-1].finish is not None else []
        self._leave(ended)
        self._forward()
        return found
