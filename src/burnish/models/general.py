"""The general path: any causal model that `transformers` can run, with its own cache, a batch at a time.

Slower than `models.engine`, which knows one family's arithmetic; the log says when it is taken. Prompts are padded on
the left, finished rows stay until the batch is done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from burnish.errors import InputError
from burnish.models import adapters, bidirectional
from burnish.models.draw import draw
from burnish.models.engine import Drawn, Request, finish_of, uniforms_of
from burnish.models.packing import Packed


class GeneralEngine:
    """Takes the same requests as `Engine`."""

    def __init__(
        self, model: Any, ends: frozenset[int], text_of: Callable[[Sequence[int]], str], *, rows: int,
        read: Callable[[Tensor], Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.read = read
        self.ends = ends
        self.text_of = text_of
        self.rows = rows
        self.waiting: dict[int, Request] = {}
        self.next_number = 0

    def submit(self, request: Request) -> int:
        """Queue a request; return its number. Raises InputError when its adapter is not the model's active one."""
        active = adapters.active(self.model)
        if request.adapter is not None and request.adapter not in active:
            known = ", ".join(map(repr, active)) or "none"
            raise InputError(f"general path: adapter {request.adapter!r} is not active (active: {known}). Activate it.")
        number, self.next_number = self.next_number, self.next_number + 1
        self.waiting[number] = request
        return number

    def cancel(self, number: int) -> None:
        """Forget a request that waits or is being decoded."""
        self.waiting.pop(number, None)

    @torch.inference_mode()
    def run(self) -> Iterator[Drawn]:
        """Yield tokens until nothing is left to do."""
        while self.waiting:
            first = next(iter(self.waiting.values()))
            part = [n for n, request in self.waiting.items() if request.adapter == first.adapter][: self.rows]
            speaks = partial(adapters.off, self.model) if first.adapter is None else contextlib.nullcontext
            for drawn in within(speaks, self._batch(part)):
                yield from drawn

    def _batch(self, numbers: Sequence[int]) -> Iterator[list[Drawn]]:
        """Yield what each step draws."""
        requests = [self.waiting[number] for number in numbers]
        width = max(len(request.prompt) for request in requests)
        ids = torch.tensor([[0] * (width - len(r.prompt)) + list(r.prompt) for r in requests])
        mask = torch.tensor([[0] * (width - len(r.prompt)) + [1] * len(r.prompt) for r in requests])
        uniforms = [uniforms_of(request) for request in requests]
        tokens: list[list[int]] = [[] for _ in requests]
        going = [True] * len(requests)
        past = adapters.prefix_of(self.model, len(requests))
        if past is not None:
            mask = nn.functional.pad(mask, (past.get_seq_length(), 0), value=1)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -width:]  # from the mask, never from the width (trap T5)
        whole = adapters.base_of(self.model)
        speaking = whole.base_model if self.read else whole  # states are all that is read: no logits are computed
        while any(going):
            found = speaking(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=past, use_cache=True
            )
            past = found.past_key_values
            uniforms_B = torch.stack([u[min(len(t), len(u) - 1)] for u, t in zip(uniforms, tokens, strict=True)])
            logits_BV = self.read(found.last_hidden_state[:, -1]) if self.read else found.logits[:, -1].float()
            token_B, logprob_B = draw(logits_BV, uniforms_B, [r.sampling for r in requests])
            drawn = list[Drawn]()
            for row, (token, logprob) in enumerate(zip(token_B.tolist(), logprob_B.tolist(), strict=True)):
                going[row] = going[row] and numbers[row] in self.waiting
                if going[row]:
                    tokens[row].append(token)
                    finish = finish_of(requests[row].sampling, tokens[row], self.ends, self.text_of)
                    going[row] = finish is None
                    if finish is not None:
                        self.waiting.pop(numbers[row], None)
                    drawn.append(Drawn(numbers[row], token, logprob, finish))
            yield drawn
            ids, positions = token_B[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, torch.ones(len(mask), 1, dtype=mask.dtype)], dim=1)


T = TypeVar("T")


def within(context: Callable[[], contextlib.AbstractContextManager[Any]], items: Iterator[T]) -> Iterator[T]:
    """Yield the items; the context holds while one is computed, never while whoever asked for it has it."""
    while True:
        with context():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def hidden_states(model: Any, packed: Packed, dtype: torch.dtype, shift_NH: Tensor | None = None) -> Tensor:
    """Return (M, H): the final state that predicts each completion token, by the model's own code.

    Groups of the packed texts become padded rows with a mask of their own; a model whose past is a state that cannot
    branch within a row (`packs = False`) reads the prompts first and goes on from each in its completions; an encoder
    reads every text whole (`models.bidirectional`).
    shift_NH: what is added to the tokens' embeddings.
    """
    base = adapters.base_of(model)
    if bidirectional.is_encoder(base):
        return bidirectional.hidden_states(base, packed, shift_NH).to(dtype)
    if not packs(base):
        return _branched(base, packed, shift_NH)
    lengths = [sum(group) for group in packed.layout.groups]
    ids_RL, positions_RL = (
        nn.utils.rnn.pad_sequence(list(torch.split(each, lengths)), batch_first=True)
        for each in (packed.tokens_N, packed.layout.positions_N)
    )
    longest = ids_RL.shape[1]
    hidden_RLL = torch.ones(len(lengths), longest, longest, dtype=torch.bool, device=ids_RL.device).triu(1)
    for row, group in enumerate(packed.layout.groups):
        hidden_RLL[row, : lengths[row], : lengths[row]] = ~_visible(group)
    past = adapters.prefix_of(model, len(lengths))
    if past is not None:
        hidden_RLL = nn.functional.pad(hidden_RLL, (past.get_seq_length(), 0))
        positions_RL = positions_RL + past.get_seq_length()
    mask = torch.zeros(hidden_RLL.shape, dtype=dtype, device=ids_RL.device).masked_fill_(hidden_RLL, -torch.inf)
    shown = {"input_ids": ids_RL}
    if shift_NH is not None:
        embedded_RLH = base.get_input_embeddings()(ids_RL)
        shown = {"inputs_embeds": embedded_RLH + _right(torch.split(shift_NH, lengths)).to(embedded_RLH.dtype)}
    with torch.autocast(ids_RL.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16), _plain_casts(model):
        states = base.base_model(
            **shown, position_ids=positions_RL, attention_mask=mask[:, None], past_key_values=past,
            use_cache=past is not None,
        ).last_hidden_state  # fmt: skip
    flat = torch.cat([states[row, :length] for row, length in enumerate(lengths)])
    chosen: Tensor = flat[packed.source_M]
    return chosen.to(dtype)


def packs(model: Any) -> bool:
    """Return whether one row may hold a prompt with several completions, under a mask.

    Raises InputError for a recurrent model of transformers: it would pass over the mask without a word.
    """
    if getattr(model, "_is_stateful", False):
        kind = model.config.model_type
        raise InputError(f"model: {kind!r} is recurrent and cannot branch after a prompt here. Use one with attention.")
    return bool(getattr(model, "packs", True))


def _branched(model: Any, packed: Packed, shift_NH: Tensor | None) -> Tensor:
    """Return (M, H): prompts in one pass, padded on the left; their states go on in their completions."""
    backbone, groups = model.base_model, packed.layout.groups
    prompts, completions = _apart(packed, packed.tokens_N)
    before, after = (None, None) if shift_NH is None else _apart(packed, shift_NH)
    mask = _left([torch.ones_like(each) for each in prompts])
    asked = backbone(input_ids=_left(prompts), attention_mask=mask, shift=before and _left(before))
    owner_B = torch.arange(len(groups)).repeat_interleave(torch.tensor([len(group) - 1 for group in groups]))
    states_BTH = asked.last_hidden_state[:, -1:][owner_B]
    if any(len(each) for each in completions):
        ids, mask = _right(completions), _right([torch.ones_like(each) for each in completions])
        past = asked.past_key_values.select(owner_B)
        further = backbone(input_ids=ids, attention_mask=mask, past_key_values=past, shift=after and _right(after))
        states_BTH = torch.cat([states_BTH, further.last_hidden_state], dim=1)
    rows = [states_BTH[row, :length] for row, length in enumerate(packed.lengths_B)]
    return torch.cat([states_BTH[:0, 0], *rows])


def _apart(packed: Packed, values_N: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return what belongs to each prompt, and to each completion but its last token, which predicts nothing."""
    parts = iter(torch.split(values_N, [length for group in packed.layout.groups for length in group]))
    prompts, completions = list[Tensor](), list[Tensor]()
    for group in packed.layout.groups:
        prompts.append(next(parts))
        completions.extend(next(parts)[:-1] for _ in group[1:])
    return prompts, completions


def _left(rows: Sequence[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_side="left")


def _right(rows: Sequence[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


def _visible(group: Sequence[int]) -> Tensor:
    """Return (L, L), query may see key: the past of one's own part, oneself included, and the prompt."""
    part = torch.arange(len(group)).repeat_interleave(torch.tensor(group))
    past = torch.ones(len(part), len(part), dtype=torch.bool).tril()
    return past & ((part[:, None] == part[None, :]) | (part[None, :] == 0))


@contextlib.contextmanager
def _plain_casts(model: Any) -> Iterator[None]:
    """Keep peft from casting activations to the adapter's float32: autocast casts the small matrices instead."""
    layers = [module for module in model.modules() if hasattr(module, "cast_input_dtype_enabled")]
    before = [layer.cast_input_dtype_enabled for layer in layers]
    for layer in layers:
        layer.cast_input_dtype_enabled = False
    try:
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.cast_input_dtype_enabled = value
