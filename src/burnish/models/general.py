"""The general path: any causal model that `transformers` can run, with its own cache, a batch at a time.

Slower than `models.engine`, which knows one family's arithmetic; the log says when it is taken. Prompts are padded on
the left, or share a batch with those as long only where that would disturb the model (`_may_pad`); finished rows stay
until the batch is done.
"""

from __future__ import annotations

import contextlib
import inspect
from collections import deque
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

WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
"""What configs call the tokens that a layer looks back at."""
ATTENTION = frozenset({"full_attention", "sliding_attention", "chunked_attention"})
"""Kinds of layers to which a mask says all."""
PADDED = ATTENTION | {"conv"}
"""Kinds of layers that pass over what is padded on the left, in any model of transformers;"""
PADDED_STATES = PADDED | {"linear_attention", "hybrid", "moe", "mlp"}
"""and in those that keep their states in its own cache for states."""


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
        """Those that are being decoded as well, until they end."""
        self.next_number = 0
        self.steps: Iterator[list[Drawn]] = iter(())
        """What further steps of the present batch draw."""
        self.untold: deque[Drawn] = deque()
        """What a step has drawn and nobody has taken yet."""

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
        self.untold = deque(each for each in self.untold if each.request != number)

    @torch.inference_mode()
    def run(self) -> Iterator[Drawn]:
        """Yield tokens until nothing is left to do; where an iterator is left, the next one goes on."""
        while True:
            while self.untold:
                yield self.untold.popleft()
            drawn = next(self.steps, None)
            if drawn is not None:
                self.untold.extend(drawn)
            elif self.waiting:
                self.steps = self._next_batch()
            else:
                return

    def _next_batch(self) -> Iterator[list[Drawn]]:
        """Return what each step draws for the first that wait with one adapter, and may stand side by side."""
        first, pads = next(iter(self.waiting.values())), _may_pad(adapters.base_of(self.model))
        part = [
            number
            for number, request in self.waiting.items()
            if request.adapter == first.adapter and (pads or len(request.prompt) == len(first.prompt))
        ][: self.rows]
        speaks = partial(adapters.off, self.model) if first.adapter is None else contextlib.nullcontext
        return within(speaks, self._batch(part))

    def _batch(self, numbers: Sequence[int]) -> Iterator[list[Drawn]]:
        requests = [self.waiting[number] for number in numbers]
        whole = adapters.base_of(self.model)
        speaking = whole.base_model if self.read else whole  # states are all that is read: no logits are computed
        width, device = max(len(request.prompt) for request in requests), whole.device
        ids = torch.tensor([[0] * (width - len(r.prompt)) + list(r.prompt) for r in requests], device=device)
        mask = torch.tensor([[0] * (width - len(r.prompt)) + [1] * len(r.prompt) for r in requests], device=device)
        past = adapters.prefix_of(self.model, len(requests))
        if past is not None:
            mask = nn.functional.pad(mask, (past.get_seq_length(), 0), value=1)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -width:]  # from the mask, never from the width (trap T5)
        # a prompt's other logits would take rows * prompt * vocabulary, and nobody reads them
        last = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(speaking.forward).parameters else {}
        uniforms = [uniforms_of(request) for request in requests]
        tokens: list[list[int]] = [[] for _ in requests]
        while any(number in self.waiting for number in numbers):
            found = speaking(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=past, use_cache=True, **last
            )
            past = _past_of(found, whole)
            uniforms_B = torch.stack([u[min(len(t), len(u) - 1)] for u, t in zip(uniforms, tokens, strict=True)])
            logits_BV = self.read(found.last_hidden_state[:, -1]) if self.read else found.logits[:, -1].float()
            token_B, logprob_B = draw(logits_BV, uniforms_B, [r.sampling for r in requests])
            drawn = list[Drawn]()
            for row, (token, logprob) in enumerate(zip(token_B.tolist(), logprob_B.tolist(), strict=True)):
                if numbers[row] in self.waiting:  # neither ended nor cancelled
                    tokens[row].append(token)
                    finish = finish_of(requests[row].sampling, tokens[row], self.ends, self.text_of)
                    if finish is not None:
                        del self.waiting[numbers[row]]
                    drawn.append(Drawn(numbers[row], token, logprob, finish))
            yield drawn
            ids, positions = token_B[:, None], positions[:, -1:] + 1
            mask = nn.functional.pad(mask, (0, 1), value=1)


def _may_pad(model: Any) -> bool:
    """Return whether places on the left of a prompt change nothing, when a mask says that they are empty.

    Not where a cache of the model's own does not know how many tokens it holds, so that transformers lays the mask over
    the wrong ones (MiniMax, whose first layer has a state), nor where tokens are compressed by their place in the row.
    """
    harmless = PADDED_STATES if getattr(model, "_is_stateful", False) else PADDED
    return set(getattr(model.config, "layer_types", None) or ()) <= harmless


def _past_of(found: Any, model: Any) -> Any:
    """Return what a model remembers of its texts. Raises InputError for one that keeps it otherwise than the others."""
    past = getattr(found, "past_key_values", None)
    if past is None:
        kind = model.config.model_type
        raise InputError(f"model: {kind!r} keeps no keys and values to go on from. Use one with attention.")
    return past


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

    Groups of the packed texts become padded rows with a mask of their own, where that says all (`_may_share`), else
    each completion has a row and a prompt to itself; a model whose past is a state that cannot branch within a row
    (`packs = False`) reads the prompts first and goes on from each in its completions; an encoder reads every text
    whole (`models.bidirectional`).
    shift_NH: what is added to the tokens' embeddings.
    """
    base = adapters.base_of(model)
    if bidirectional.is_encoder(base):
        return bidirectional.hidden_states(base, packed, shift_NH).to(dtype)
    if not packs(base):
        return _branched(base, packed, shift_NH)
    longest = max((prompt + max(said, default=0) for prompt, *said in packed.layout.groups), default=0)
    lay_out = _together if _may_share(base, longest) or not packed.lengths_B else _alone
    return lay_out(model, packed, dtype, shift_NH)


def _may_share(model: Any, longest: int) -> bool:
    """Return whether completions may stand in one row with their prompt, under a mask of ours.

    Not where a layer looks back at fewer tokens than the longest text has: transformers leaves windows out when it is
    handed a whole mask. Nor where places are counted along the row (ALiBi), or a layer mixes neighbours in it
    (convolutions): those of the next completion would not be behind their prompt.
    """
    config = model.config
    windows = [size for name in WINDOWS if (size := getattr(config, name, None))]
    told_places = "position_ids" in inspect.signature(model.base_model.forward).parameters
    kinds = set(getattr(config, "layer_types", None) or ())
    counts = not told_places or getattr(config, "alibi", False)
    return not counts and kinds <= ATTENTION and longest <= min(windows, default=longest)


def _together(model: Any, packed: Packed, dtype: torch.dtype, shift_NH: Tensor | None) -> Tensor:
    """Return (M, H): a prompt and all its completions in one row."""
    lengths = [sum(group) for group in packed.layout.groups]
    ids_RL, positions_RL = (_right(torch.split(each, lengths)) for each in (packed.tokens_N, packed.layout.positions_N))
    longest = ids_RL.shape[1]
    hidden_RLL = torch.ones(len(lengths), longest, longest, dtype=torch.bool, device=ids_RL.device).triu(1)
    for row, group in enumerate(packed.layout.groups):
        hidden_RLL[row, : lengths[row], : lengths[row]] = ~_visible(group, ids_RL.device)
    past = adapters.prefix_of(model, len(lengths))
    if past is not None:
        hidden_RLL = nn.functional.pad(hidden_RLL, (past.get_seq_length(), 0))
        positions_RL = positions_RL + past.get_seq_length()
    mask = torch.zeros(hidden_RLL.shape, dtype=dtype, device=ids_RL.device).masked_fill_(hidden_RLL, -torch.inf)
    shift = None if shift_NH is None else _right(torch.split(shift_NH, lengths))
    states = _read(model, ids_RL, positions_RL, mask[:, None], past, dtype, shift)
    flat = torch.cat([states[row, :length] for row, length in enumerate(lengths)])
    return flat[packed.source_M].to(dtype)


def _alone(model: Any, packed: Packed, dtype: torch.dtype, shift_NH: Tensor | None) -> Tensor:
    """Return (M, H): every completion in a row with a copy of its prompt, under transformers' own masks."""
    asked = [group[0] for group in packed.layout.groups for _ in group[1:]]
    texts = _texts(packed, packed.tokens_N)
    ids_BL, mask_BL = _right(texts), _right([torch.ones_like(text) for text in texts])
    past = adapters.prefix_of(model, len(texts))
    if past is not None:
        mask_BL = nn.functional.pad(mask_BL, (past.get_seq_length(), 0), value=1)
    positions_BL = (mask_BL.cumsum(-1) - 1)[:, -ids_BL.shape[1] :]
    shift = None if shift_NH is None else _right(_texts(packed, shift_NH))
    states = _read(model, ids_BL, positions_BL, mask_BL, past, dtype, shift)
    rows = zip(states, asked, packed.lengths_B, strict=True)
    return torch.cat([row[prompt - 1 : prompt - 1 + length] for row, prompt, length in rows]).to(dtype)


def _texts(packed: Packed, values_N: Tensor) -> list[Tensor]:
    """Return what belongs to each completion behind its prompt, but to its last token, which predicts nothing."""
    prompts, completions = _apart(packed, values_N)
    owners = [prompt for prompt, group in zip(prompts, packed.layout.groups, strict=True) for _ in group[1:]]
    return [torch.cat([prompt, said]) for prompt, said in zip(owners, completions, strict=True)]


def _read(
    model: Any, ids_RL: Tensor, positions_RL: Tensor, mask: Tensor, past: Any, dtype: torch.dtype, shift: Tensor | None
) -> Tensor:
    """Return the final states (R, L, H) of rows, right-padded; shift: what is added to their embeddings."""
    base = adapters.base_of(model)
    shown = {"input_ids": ids_RL}
    if shift is not None:
        embedded_RLH = base.get_input_embeddings()(ids_RL)
        shown = {"inputs_embeds": embedded_RLH + shift.to(embedded_RLH.dtype)}
    with torch.autocast(ids_RL.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16), _plain_casts(model):
        found: Tensor = base.base_model(
            **shown, position_ids=positions_RL, attention_mask=mask, past_key_values=past, use_cache=past is not None
        ).last_hidden_state
    return found


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
    device = packed.tokens_N.device
    counts = torch.tensor([len(group) - 1 for group in groups], device=device)
    owner_B = torch.arange(len(groups), device=device).repeat_interleave(counts)
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


def _visible(group: Sequence[int], device: torch.device) -> Tensor:
    """Return (L, L), query may see key: the past of one's own part, oneself included, and the prompt."""
    part = torch.arange(len(group), device=device).repeat_interleave(torch.tensor(group, device=device))
    past = torch.ones(len(part), len(part), dtype=torch.bool, device=device).tril()
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
