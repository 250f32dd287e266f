"""Our own `Sampler`: many prompts, n completions each, every completion with a seed of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from burnish.errors import InputError, StoppedOnRequest
from burnish.machine import system
from burnish.machine.plan import MOST_ROWS, row_bytes
from burnish.models import decoding
from burnish.models.answering import Weights
from burnish.models.decoder.forward import Decoder
from burnish.models.decoder.packed import PackedProducts
from burnish.models.decoder.quantised import QuantisedProducts
from burnish.models.engine import Drawn, Engine, Request, finish_of, until_stop
from burnish.models.general import GeneralEngine, within
from burnish.models.policy import Policy
from burnish.records import Completion, FinishReason, Prompt, Sampling, seed_of

ROWS = MOST_ROWS
"""Completions decoded together at most, where nobody says."""


class EngineSampler:
    """Draws completions from a `Policy` with its adapter on, or from the untouched model with `adapter=False`."""

    def __init__(
        self,
        policy: Policy,
        *,
        adapter: bool = True,
        checkpoint_id: str | None = None,
        rows: int | None = None,
        stopped: Callable[[], bool] | None = None,
        ended: Callable[[], None] | None = None,
        read: Callable[[Tensor], Tensor] | None = None,
        weights: Weights = "as-is",
    ) -> None:
        """rows: completions decoded together at most, whatever memory is free; None: as many as fit, up to `ROWS`.
        stopped: asked after every token; once it says yes, what was asked for ends with StoppedOnRequest. ended: called
        whenever one of many completions has ended; what it raises ends them all. read: final
        states (B, H) -> (B, V), what the next token is drawn from in place of the policy's logits. weights: "int8" is
        faster for one completion at a time and slower for more than eight; what is drawn so has other log-probs than
        the policy, and its `model` says so. Where that cannot be, sampling raises InputError.
        Raises InputError for what was trained to be drawn from something else than its logits, without `read`."""
        if adapter and read is None:
            decoding.refuse(policy.decoding, policy.name)
        self.policy = policy
        self.read = read
        self.rows = rows
        self.stopped = stopped
        self.ended = ended
        self.weights = weights
        self.adapter = adapter
        self.checkpoint_id = checkpoint_id

    @torch.inference_mode()
    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt, with the sampler's own log-probs at the sampling temperature."""
        encoded = [tuple(self.policy.encode(prompt, adapter=self.adapter)) for prompt in prompts]
        wanted = [(i, k) for i in range(len(prompts)) for k in range(n)]
        found = self._drawn(encoded, prompts, wanted, sampling, n, seed)
        flat = iter(
            self._completion(prompts[i], drawn, sampling, run, round, k)
            for (i, k), drawn in zip(wanted, found, strict=True)
        )
        return [[next(flat) for _ in range(n)] for _ in prompts]

    @torch.inference_mode()
    def go_on(
        self,
        prompts: Sequence[Prompt],
        prefixes: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        n: int = 1,
        seed: int = 0,
    ) -> list[list[Completion]]:
        """Return n whole completions for each prompt that begin with the prefix's token ids; without log-probs.

        A stop text ends them where it begins in the prefix, too.
        """
        encoded = [
            (*self.policy.encode(p, adapter=self.adapter), *prefix) for p, prefix in zip(prompts, prefixes, strict=True)
        ]
        wanted = [(i, k) for i in range(len(prompts)) for k in range(n)]
        rows: list[Completion] = [Completion("", "")] * len(wanted)
        rooms = [sampling.max_new_tokens - len(prefix) for prefix in prefixes]
        for room in sorted(set(rooms)):  # those that have begun alike far may say equally much more
            some = [place for place, (i, _) in enumerate(wanted) if rooms[i] == room]
            rest = replace(sampling, max_new_tokens=max(room, 1))
            found = self._drawn(encoded, prompts, [wanted[place] for place in some], rest, n, seed, prefixes)
            for place, drawn in zip(some, found, strict=True):
                i, k = wanted[place]
                tokens = (*prefixes[i], *(each.token for each in drawn))
                whole = self._completion(prompts[i], drawn, sampling, "", 0, k)
                rows[place] = replace(whole, text=self._text(tokens, sampling), token_ids=tokens, logprobs=None)
        return [rows[i * n : (i + 1) * n] for i in range(len(prompts))]

    def _drawn(
        self,
        encoded: Sequence[tuple[int, ...]],
        prompts: Sequence[Prompt],
        wanted: Sequence[tuple[int, int]],
        sampling: Sampling,
        n: int,
        seed: int,
        prefixes: Sequence[Sequence[int]] | None = None,
    ) -> list[list[Drawn]]:
        """Return what is drawn for each wanted (prompt, index); prefixes: what their completions have begun with."""
        engine = self._engine(encoded, n, sampling)
        name = self.policy.adapter_name if self.adapter else None
        numbers = [
            engine.submit(Request(encoded[i], sampling, seed_of(seed, prompts[i].id, k), name)) for i, k in wanted
        ]
        begun = {number: list(prefixes[i]) for number, (i, _) in zip(numbers, wanted, strict=True)} if prefixes else {}
        drawn: dict[int, list[Drawn]] = {number: [] for number in numbers}
        for each in self._run(engine):
            if (tokens := begun.get(each.request)) is not None:
                tokens.append(each.token)
                # the engine looks for stop texts in what it draws alone
                if each.finish is None and self._stops(tokens, sampling):
                    engine.cancel(each.request)
                    each = replace(each, finish=FinishReason.STOP)
            drawn[each.request].append(each)
            if each.finish is not None and self.ended is not None:
                self.ended()
        return [drawn[number] for number in numbers]

    def _stops(self, tokens: Sequence[int], sampling: Sampling) -> bool:
        return finish_of(sampling, tokens, self.policy.end_ids, self.policy.decode) is FinishReason.STOP

    def stream(self, prompt: Prompt, sampling: Sampling, *, seed: int = 0) -> Iterator[str]:
        """Yield the text of one completion piece by piece; closing the iterator ends the decoding."""
        return (piece for piece in self.speak(prompt, sampling, seed=seed) if isinstance(piece, str))

    def speak(
        self, prompt: Prompt, sampling: Sampling, *, seed: int = 0, run: str = "", index: int = 0
    ) -> Iterator[str | Completion]:
        """Yield the text of one completion piece by piece, then the completion itself, as `sample` returns it."""
        encoded = tuple(self.policy.encode(prompt, adapter=self.adapter))
        engine = self._engine([encoded], 1, sampling)
        name = self.policy.adapter_name if self.adapter else None
        engine.submit(Request(encoded, sampling, seed_of(seed, prompt.id, index), name))
        drawn: list[Drawn] = []
        told = ""
        for each in self._run(engine):
            drawn.append(each)
            text = self._text([one.token for one in drawn], sampling)
            if each.finish is None:
                text = _certain(text, sampling.stop)
            if len(text) > len(told):
                yield text[len(told) :]
                told = text
        yield self._completion(prompt, drawn, sampling, run, 0, index)

    def _run(self, engine: Engine | GeneralEngine) -> Iterator[Drawn]:
        """Yield tokens; the untouched model's weights are in place only while it computes."""
        tokens = engine.run() if self.adapter else within(self.policy.weights_back, engine.run())
        tokens = _finite(tokens, self.policy.name)
        return tokens if self.stopped is None else _until(self.stopped, tokens)

    def _engine(self, encoded: Sequence[Sequence[int]], n: int, sampling: Sampling) -> Engine | GeneralEngine:
        policy = self.policy
        if self.weights == "int8" and (why := QuantisedProducts.why_not(policy.decoder)):
            raise InputError(f"weights: {policy.name} cannot speak with int8 weights: {why}. Use as-is.")
        if policy.decoder is None:
            return GeneralEngine(policy.model, policy.end_ids, policy.decode, rows=self.rows or ROWS, read=self.read)
        longest = max(map(len, encoded), default=0) + sampling.max_new_tokens
        most = self.rows or min(ROWS, rows_that_fit(policy.decoder, longest))
        rows = max(1, min(most, len(encoded) * n))
        weights = policy.packed(QuantisedProducts if self.weights == "int8" else PackedProducts)
        engine = Engine(policy.decoder, policy.end_ids, policy.decode, rows=rows, packed=weights, read=self.read)
        if self.adapter and policy.adapter_name:
            engine.refresh(policy.adapter_name)
        return engine

    def _text(self, tokens: Sequence[int], sampling: Sampling) -> str:
        return until_stop(self.policy.decode(tokens), sampling)

    def _completion(
        self, prompt: Prompt, drawn: Sequence[Drawn], sampling: Sampling, run: str, round: int, index: int
    ) -> Completion:
        tokens = [each.token for each in drawn]
        return Completion(
            prompt_id=prompt.id,
            text=self._text(tokens, sampling),
            token_ids=tuple(tokens),
            logprobs=tuple(each.logprob for each in drawn),
            checkpoint_id=self.checkpoint_id,
            model=self.policy.name if self.weights == "as-is" else f"{self.policy.name} ({self.weights})",
            sampling=sampling,
            finish_reason=drawn[-1].finish or FinishReason.LENGTH,
            run=run,
            round=round,
            index=index,
        )


def _finite(tokens: Iterator[Drawn], name: str) -> Iterator[Drawn]:
    """Yield tokens. Raises InputError at the first whose log-prob is no number: nothing was chosen there, only taken.

    Of a token that was drawn by its probability it is always finite.
    """
    with closing(cast("Generator[Drawn]", tokens)):
        for each in tokens:
            if not math.isfinite(each.logprob):
                raise InputError(
                    f"sampling: {name} gives the token {each.token} a log-prob of {each.logprob}: its numbers are not "
                    "finite. Where it was trained, take an earlier checkpoint or train anew with a lower learning "
                    'rate; else load it with dtype = "float32", or use another model.'
                )
            yield each


def _until(stopped: Callable[[], bool], tokens: Iterator[Drawn]) -> Iterator[Drawn]:
    """Yield tokens; raises StoppedOnRequest once somebody has asked to stop, with the decoding ended."""
    with closing(cast("Generator[Drawn]", tokens)):
        for each in tokens:
            if stopped():
                raise StoppedOnRequest("sampling: stopped on request; what was not finished is not kept.")
            yield each


def rows_that_fit(decoder: Decoder, places: int) -> int:
    """Return how many completions of so many tokens may be decoded together: a third of the free memory, no more."""
    free = system.free_bytes()
    shape = decoder.shape
    row = row_bytes(len(shape.layers), shape.kv_heads * shape.head_dim, decoder.dtype.itemsize, places)
    return ROWS if free is None else free // 3 // row


def _certain(text: str, stops: Sequence[str]) -> str:
    """Return the part of an unfinished text that no further token can change: no half letter, no half stop text."""
    text = text.rstrip("\N{REPLACEMENT CHARACTER}")
    for stop in stops:
        for length in range(min(len(stop) - 1, len(text)), 0, -1):
            if text.endswith(stop[:length]):
                text = text[:-length]
                break
    return text
