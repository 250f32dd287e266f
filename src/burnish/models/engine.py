"""Continuous batching: many requests decoded together, each leaving when it is done and another taking its place.

    submit -> waiting -> (prompt prefilled once for all its completions) -> one row of the cache -> done

A step decodes one token for every row. Rows that end are replaced from the queue in the same step, so the batch stays
full until the queue is empty. Which requests share a batch changes no result but by rounding: each has its own random
numbers, and attention sees its own row alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.models.decoder.attention import PackedAttention
from burnish.models.decoder.cache import Cache
from burnish.models.decoder.forward import Decoder, Multiply, multiply
from burnish.models.decoder.quantised import Products
from burnish.models.decoder.weights import Adapter, mixed
from burnish.models.draw import draw
from burnish.models.packing import pack
from burnish.records import FinishReason, Sampling

PREFILL_TOKENS = 1024
"""Prompt tokens computed together; more fill the products no better and take memory."""
STOP_TOKENS = 64
"""Tokens looked back at for a stop text, or more where it is longer."""


@dataclass(frozen=True)
class Request:
    """One completion that is wanted."""

    prompt: tuple[int, ...]
    sampling: Sampling
    seed: int
    adapter: str | None = None
    """Name of the adapter to speak with; None: the untouched model."""


@dataclass(frozen=True)
class Drawn:
    """One token of one request, and, with its last, why it ended."""

    request: int
    token: int
    logprob: float
    finish: FinishReason | None = None


@dataclass
class _Group:
    """Waiting requests with the same prompt and adapter; the prompt is computed once for all."""

    prompt: tuple[int, ...]
    adapter: str | None
    numbers: deque[int] = field(default_factory=deque)
    past: list[tuple[Tensor, Tensor]] | None = None
    """Keys and values of every layer, of all tokens that were computed together."""
    path: Tensor | None = None
    """Numbers of the prompt's tokens among them."""
    logits: Tensor | None = None
    longest: int = 0
    """Tokens that one of them may have at most."""


@dataclass
class _Row:
    """A request that is being decoded."""

    number: int
    request: Request
    uniforms: Tensor
    tokens: list[int] = field(default_factory=list)


class Engine:
    """Decodes requests with one set of weights; adapters are read at `refresh`, so weights may train in between."""

    def __init__(
        self, decoder: Decoder, ends: frozenset[int], text_of: Callable[[Sequence[int]], str], *, rows: int,
        packed: Products | None = None, read: Callable[[Tensor], Tensor] | None = None,
    ) -> None:  # fmt: skip
        """read: final states (B, H) -> (B, V), what is drawn from in place of the decoder's logits."""
        self.decoder = decoder
        self.packed = packed
        self.multiply: Multiply = packed.of_prompts if packed else multiply
        self.multiply_one: Multiply = packed or multiply  # token of each row
        self.logits_of = read or (packed.logits if packed else decoder.logits)
        self.ends = ends
        self.text_of = text_of
        self.rows = rows
        device = decoder.output.device
        self.cache = Cache(decoder.shape, rows, decoder.dtype, device)
        self.adapters: dict[str, Adapter | None] = {}
        self.waiting: deque[_Group] = deque()
        self.in_order = True  # those that wait: longest first
        self.active: list[_Row] = []
        self.requests: dict[int, Request] = {}
        self.next_number = 0
        self.untold: deque[Drawn] = deque()
        """What `run` has drawn and nobody has taken yet."""
        self.logits: Tensor | None = None
        """(rows in use, V): what each row's next token is drawn from."""

    # ------------------------------------------------------------------------------------------------- requests

    def submit(self, request: Request) -> int:
        """Queue a request; return its number. Raises InputError when its adapter was not read by `refresh`."""
        if request.adapter is not None and request.adapter not in self.adapters:
            known = ", ".join(map(repr, self.adapters)) or "none"
            raise InputError(f"engine: adapter {request.adapter!r} was not read (known: {known}). Refresh it first.")
        number, self.next_number = self.next_number, self.next_number + 1
        self.requests[number] = request
        last = self.waiting[-1] if self.waiting else None
        if last is None or (last.prompt, last.adapter) != (request.prompt, request.adapter):
            last = _Group(request.prompt, request.adapter)
            self.waiting.append(last)
        last.numbers.append(number)
        last.longest = max(last.longest, request.sampling.max_new_tokens)
        self.in_order = False
        return number

    @torch.inference_mode()
    def cancel(self, number: int) -> None:
        """Forget a request, waiting or being decoded; an unknown number or one that is done is nobody's loss."""
        self.requests.pop(number, None)
        self.untold = deque(each for each in self.untold if each.request != number)
        for group in self.waiting:
            if number in group.numbers:
                group.numbers.remove(number)
        self.waiting = deque(group for group in self.waiting if group.numbers)
        for place, row in enumerate(self.active):
            if row.number == number:
                assert self.logits is not None
                self.logits = self.logits[self._leave([place])]
                return

    @property
    def busy(self) -> bool:
        """Whether any request is waiting or being decoded."""
        return bool(self.waiting or self.active)

    @torch.inference_mode()
    def refresh(self, *names: str) -> None:
        """Read these adapters as they are now (trap T34: sampling must see what training wrote).

        Raises InputError for one that no layer has: the untouched model would speak in its place. And while a request
        waits or is being decoded: what it has read so far was read with the adapters as they were.
        """
        if self.busy:
            raise InputError("engine: its adapters are read while requests are open. Finish or cancel those first.")
        found = {name: self.decoder.adapter(name) for name in names}
        if missing := next((name for name, adapter in found.items() if adapter is None), None):
            raise InputError(
                f"engine: no layer has an adapter {missing!r}. Add it to the model before sampling with it."
            )
        self.adapters = found
        if self.packed:
            self.packed.read(list(self.adapters.values()))

    # ---------------------------------------------------------------------------------------------------- a step

    @torch.inference_mode()
    def step(self) -> list[Drawn]:
        """Admit what fits, then draw one token for every row; return the tokens."""
        self._admit()
        if not self.active:
            return []
        assert self.logits is not None
        uniforms_B = torch.stack([row.uniforms[len(row.tokens)] for row in self.active])
        token_B, logprob_B = draw(self.logits, uniforms_B, [row.request.sampling for row in self.active])
        drawn = [
            self._take(row, token, logprob)
            for row, token, logprob in zip(self.active, token_B.tolist(), logprob_B.tolist(), strict=True)
        ]
        self._leave([place for place, each in enumerate(drawn) if each.finish is not None])
        self._forward()
        return drawn

    def run(self) -> Iterator[Drawn]:
        """Yield tokens until nothing is left to do; requests may be submitted and cancelled in between.

        Of a cancelled one nothing more is told. Where an iterator is left, the next one goes on.
        """
        while True:
            while self.untold:
                yield self.untold.popleft()
            if not self.busy:
                return
            self.untold.extend(self.step())

    def _take(self, row: _Row, token: int, logprob: float) -> Drawn:
        row.tokens.append(token)
        finish = finish_of(row.request.sampling, row.tokens, self.ends, self.text_of)
        return Drawn(row.number, token, logprob, finish)

    def _leave(self, places: Sequence[int]) -> list[int]:
        """Free rows; return where each row that stays was. The last one moves into each hole, from the back, so that no
        hole is filled by another."""
        order = list(range(len(self.active)))
        for place in sorted(places, reverse=True):
            self.requests.pop(self.active[place].number, None)
            last = self.cache.drop(place)
            order[place], self.active[place] = order[last], self.active[last]
            order.pop()
            self.active.pop()
        return order

    def _forward(self) -> None:
        """Compute the logits that each row's next token is drawn from."""
        self.logits = None  # those of the last token: gone before there are others
        if not self.active:
            return
        decoder, device = self.decoder, self.cache.lengths_R.device
        tokens_B = torch.tensor([row.tokens[-1] for row in self.active], device=device)
        names = [None, *self.adapters]
        wanted = [names.index(row.request.adapter) for row in self.active]
        adapter = mixed([None, *self.adapters.values()], wanted)
        states = decoder.states(tokens_B, self.cache.begin(), self.cache, adapter, multiply=self.multiply_one)
        self.cache.end()
        self.logits = self.logits_of(states)

    # ------------------------------------------------------------------------------------------------- admission

    def _admit(self) -> None:
        """Give free rows to those that wait: what may be longest first, so that it is not left to be decoded alone."""
        if not self.in_order and len(self.active) < self.rows:
            self.waiting = deque(sorted(self.waiting, key=lambda group: -group.longest))  # equals in their order
            self.in_order = True
        while self.waiting and len(self.active) < self.rows:
            group = self.waiting[0]
            if group.past is None:
                self._prefill()
            assert group.past is not None
            assert group.path is not None
            assert group.logits is not None
            count = min(self.rows - len(self.active), len(group.numbers))
            taken = [group.numbers.popleft() for _ in range(count)]
            self.cache.add(group.past, group.path, count)
            for number in taken:
                request = self.requests[number]
                self.active.append(_Row(number, request, uniforms_of(request)))
            fresh = group.logits.expand(count, -1)
            self.logits = fresh if self.logits is None else torch.cat([self.logits, fresh])
            if not group.numbers:
                self.waiting.popleft()

    def _prefill(self) -> None:
        """Compute the prompts at the head of the queue, as many of one adapter as go together."""
        head = self.waiting[0]
        groups, total = list[_Group](), 0
        for group in self.waiting:
            if group.past is None and group.adapter == head.adapter:
                total += len(group.prompt)
                if groups and total > PREFILL_TOKENS:
                    break
                groups.append(group)
        decoder = self.decoder
        packed = pack([group.prompt for group in groups], [[] for _ in groups]).once.on(self.cache.lengths_R.device)
        layout = packed.layout
        attention = _Keeping(PackedAttention(decoder.shape, layout, decoder.dtype))
        adapter = self.adapters[head.adapter] if head.adapter is not None else None
        states = decoder.states(
            packed.tokens_N, layout.positions_N, attention, adapter, multiply=self.multiply, only_M=layout.last_U
        )
        logits = self.logits_of(states)
        begun, ends = torch.arange(layout.shared), (layout.last_U + 1).tolist()
        for number, (group, end) in enumerate(zip(groups, ends, strict=True)):
            group.past = attention.kept
            group.path = torch.cat([begun, torch.arange(end - len(group.prompt) + len(begun), end)])
            group.logits = logits[number]


class _Keeping:
    """Attention over packed texts that keeps every layer's keys and values."""

    def __init__(self, attention: PackedAttention) -> None:
        self.attention = attention
        self.kept: list[tuple[Tensor, Tensor]] = []

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        self.kept.append((k, v))
        return self.attention(layer, q, k, v)


def finish_of(
    sampling: Sampling, tokens: Sequence[int], ends: frozenset[int], text_of: Callable[[Sequence[int]], str]
) -> FinishReason | None:
    """Return why a completion that stands at these tokens has ended, None when it has not."""
    if tokens[-1] in ends:
        return FinishReason.STOP
    if sampling.stop:
        longest = 4 * max(map(len, sampling.stop))  # tokens: a letter has up to four bytes, each perhaps its own
        text = text_of(tokens[-max(STOP_TOKENS, longest) :])
        if any(stop in text for stop in sampling.stop):
            return FinishReason.STOP
    return FinishReason.LENGTH if len(tokens) >= sampling.max_new_tokens else None


def until_stop(text: str, sampling: Sampling) -> str:
    """Return the text without its first stop text and what follows."""
    return text[: min((at for stop in sampling.stop if (at := text.find(stop)) >= 0), default=None)]


def uniforms_of(request: Request) -> Tensor:
    """Return the request's own random numbers: whatever it shares a batch with, they are the same."""
    generator = torch.Generator().manual_seed(request.seed)
    return torch.rand(request.sampling.max_new_tokens, generator=generator, dtype=torch.float64)
