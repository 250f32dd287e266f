"""Our own `Sampler`: many prompts, n completions each, every completion with a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from burnish.models.decode import Decoder
from burnish.models.policy import Policy
from burnish.records import Completion, FinishReason, Prompt, Sampling, seed_of

ROWS = 128
"""Completions decoded together at most; the cache of 128 rows x 192 places is 300 MB for SmolLM2-135M in bfloat16."""
BLOCK = 256
"""Tokens a block of the two-level inverse CDF."""


@dataclass
class _Rows:
    """The completions still being decoded; place b of every tensor is completion `number[b]`."""

    number: Tensor
    uniforms: Tensor
    positions: Tensor
    padding: Tensor
    cache: list[tuple[Tensor, Tensor]]

    def keep(self, chosen: Tensor) -> None:
        self.number, self.uniforms = self.number[chosen], self.uniforms[chosen]
        self.positions, self.padding = self.positions[chosen], self.padding[chosen]
        self.cache = [(keys[chosen], values[chosen]) for keys, values in self.cache]


class EngineSampler:
    """Draws completions from a `Policy` with its adapter on, or from the untouched model with `adapter=False`."""

    def __init__(self, policy: Policy, *, adapter: bool = True, checkpoint_id: str | None = None) -> None:
        self.policy = policy
        self.adapter = adapter
        self.checkpoint_id = checkpoint_id
        self.decoder = Decoder(policy.model, policy.dtype)

    @torch.inference_mode()
    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt, with the sampler's own log-probs at the sampling temperature."""
        self.decoder.refresh(adapter=self.adapter)
        drawn: list[list[Completion]] = []
        per_call = max(1, ROWS // n)
        for start in range(0, len(prompts), per_call):
            part = prompts[start : start + per_call]
            encoded = [self.policy.encode(prompt) for prompt in part]
            seeds = [seed_of(seed, prompt.id, index) for prompt in part for index in range(n)]
            tokens, logprobs = self._decode(encoded, sampling, n, seeds)
            for i, prompt in enumerate(part):
                drawn.append(
                    [
                        self._completion(prompt, tokens[k], logprobs[k], sampling, run, round, k - i * n)
                        for k in range(i * n, (i + 1) * n)
                    ]
                )
        return drawn

    def _completion(
        self,
        prompt: Prompt,
        tokens: list[int],
        logprobs: list[float],
        sampling: Sampling,
        run: str,
        round: int,
        index: int,
    ) -> Completion:
        ended = bool(tokens) and tokens[-1] in self.policy.end_ids
        text = self.policy.decode(tokens)
        stops = [at for stop in sampling.stop if (at := text.find(stop)) >= 0]
        return Completion(
            prompt_id=prompt.id,
            text=text[: min(stops)] if stops else text,
            token_ids=tuple(tokens),
            logprobs=tuple(logprobs),
            checkpoint_id=self.checkpoint_id,
            model=self.policy.name,
            sampling=sampling,
            finish_reason=FinishReason.STOP if ended or stops else FinishReason.LENGTH,
            run=run,
            round=round,
            index=index,
        )

    def _decode(
        self, encoded: list[list[int]], sampling: Sampling, n: int, seeds: list[int]
    ) -> tuple[list[list[int]], list[list[float]]]:
        uniforms = torch.stack(
            [
                torch.rand(sampling.max_new_tokens, generator=torch.Generator().manual_seed(s), dtype=torch.float64)
                for s in seeds
            ]
        )
        logits, rows, width = self._prefill(encoded, sampling.max_new_tokens, n, uniforms)
        tokens: list[list[int]] = [[] for _ in seeds]
        logprobs: list[list[float]] = [[] for _ in seeds]
        ends = torch.tensor(sorted(self.policy.end_ids))
        for step in range(sampling.max_new_tokens):
            token, logprob = draw(logits, rows.uniforms[:, step], sampling)
            for place, number in enumerate(rows.number.tolist()):
                tokens[number].append(int(token[place]))
                logprobs[number].append(float(logprob[place]))
            going = ~torch.isin(token, ends)
            if sampling.stop:
                going &= torch.tensor([not self._stopped(tokens[k], sampling.stop) for k in rows.number.tolist()])
            if not bool(going.any()) or step == sampling.max_new_tokens - 1:
                break
            if bool((~going).any()):
                chosen = going.nonzero()[:, 0]
                rows.keep(chosen)
                token = token[chosen]
            here = width + step
            mask = torch.zeros(len(token), 1, 1, here + 1).masked_fill_(
                torch.arange(here + 1)[None, None, None, :] < rows.padding[:, None, None, None], -torch.inf
            )
            logits = self.decoder.forward(token[:, None], rows.positions[:, None], here, mask, rows.cache)
            rows.positions = rows.positions + 1
        return tokens, logprobs

    def _prefill(
        self, encoded: list[list[int]], new_tokens: int, n: int, uniforms: Tensor
    ) -> tuple[Tensor, _Rows, int]:
        """Compute each prompt once, padded on the left, and copy its cache to its n completions."""
        width = max(map(len, encoded))
        padding = torch.tensor([width - len(ids) for ids in encoded])
        ids = torch.tensor([[0] * (width - len(each)) + each for each in encoded])
        place = torch.arange(width)
        positions = (place[None, :] - padding[:, None]).clamp(min=0)  # from the mask, never from the width (trap T5)
        allowed = (place[None, :, None] >= place[None, None, :]) & (place[None, None, :] >= padding[:, None, None])
        allowed = allowed | torch.eye(width, dtype=torch.bool)
        mask = torch.zeros(len(encoded), 1, width, width).masked_fill_(~allowed[:, None], -torch.inf)
        cache = self.decoder.new_cache(len(encoded), width)
        logits = self.decoder.forward(ids, positions, 0, mask, cache)
        wide = self.decoder.new_cache(len(encoded) * n, width + new_tokens)
        for (keys, values), (prompt_keys, prompt_values) in zip(wide, cache, strict=True):
            keys[:, :, :width] = prompt_keys.repeat_interleave(n, dim=0)
            values[:, :, :width] = prompt_values.repeat_interleave(n, dim=0)
        lengths = (width - padding).repeat_interleave(n)
        rows = _Rows(torch.arange(len(encoded) * n), uniforms, lengths, padding.repeat_interleave(n), wide)
        return logits.repeat_interleave(n, dim=0), rows, width

    def _stopped(self, tokens: list[int], stops: tuple[str, ...]) -> bool:
        text = self.policy.decode(tokens[-64:])
        return any(stop in text for stop in stops)


def draw(logits_BV: Tensor, uniforms_B: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Return one token for each row by inverse CDF and its log-prob under the distribution it was drawn from.

    logits_BV: float32; uniforms_B: float64 in [0, 1), one for each row. Temperature 0 takes the likeliest token; its
    log-prob is the model's own at temperature 1.
    """
    if sampling.temperature == 0:
        token_B = logits_BV.argmax(-1)
        return token_B, torch.log_softmax(logits_BV, -1).gather(1, token_B[:, None])[:, 0]
    logprobs_BV = torch.log_softmax(_truncate(logits_BV / sampling.temperature, sampling), -1)
    token_B = inverse_cdf(logprobs_BV.exp(), uniforms_B)
    return token_B, logprobs_BV.gather(1, token_B[:, None])[:, 0]


def inverse_cdf(probabilities_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """Return the first token whose cumulated probability exceeds the uniform number, (B,) int64.

    Two levels (blocks, then inside the block), so that it costs one pass and rounding stays below 1e-6.
    """
    rows, vocabulary = probabilities_BV.shape
    padded = torch.nn.functional.pad(probabilities_BV, (0, -vocabulary % BLOCK)).view(rows, -1, BLOCK)
    blocks = padded.sum(-1, dtype=torch.float64).cumsum(-1)
    wanted = uniforms_B[:, None] * blocks[:, -1:]
    block = torch.searchsorted(blocks, wanted, right=True).clamp(max=blocks.shape[1] - 1)
    before = torch.where(block > 0, blocks.gather(1, (block - 1).clamp(min=0)), torch.zeros_like(wanted))
    inside = padded.gather(1, block[:, :, None].expand(-1, -1, BLOCK))[:, 0].to(torch.float64).cumsum(-1)
    place = torch.searchsorted(inside, wanted - before, right=True)
    # rounding may run off a block's end: fall back to its last token that can be drawn at all
    last = BLOCK - 1 - (inside.diff(dim=1, prepend=torch.zeros_like(wanted)) > 0).flip(1).to(torch.int8).argmax(1, True)
    return (block * BLOCK + torch.minimum(place, last))[:, 0]


def _truncate(logits_BV: Tensor, sampling: Sampling) -> Tensor:
    """Return logits with -inf outside the top k and outside the smallest set that holds probability top_p."""
    if sampling.top_k:
        kth = logits_BV.topk(min(sampling.top_k, logits_BV.shape[-1]), dim=-1).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < kth, -torch.inf)
    if sampling.top_p < 1:
        ordered, index = logits_BV.sort(dim=-1, descending=True)
        before = torch.softmax(ordered, -1).cumsum(-1) - torch.softmax(ordered, -1)
        outside = torch.zeros_like(before, dtype=torch.bool).scatter(1, index, before >= sampling.top_p)
        logits_BV = logits_BV.masked_fill(outside, -torch.inf)
    return logits_BV
