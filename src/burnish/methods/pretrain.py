"""Pretraining: learn to go on with raw text, by the negative log-likelihood of every token of it.

    loss = - sum_i w_i sum_t log p(y_it | y_i<t)  /  sum_i w_i |y_i|

Sources: Bengio et al. 2003, "A neural probabilistic language model", JMLR 3; GPT, Radford et al. 2018.

A raw text is a demonstration whose prompt has no messages; demonstrations that answer a prompt are sft's and are left
out. What is unusual: a text longer than `characters` is cut at the end of a line, else of a word, so that nothing of it
is lost to a length limit; a piece does not see the one before it.

Use it to train a small model from scratch (`--model new:gru` makes one of the text), or to make a model used to a
subject before it is tuned. It fails on little text (the loss of held-out text rises after a few epochs, while `nll`
goes on falling), and on a tuned model, which forgets how to answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools
from burnish.maths import imitation
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs
from burnish.records import Demonstration, FinishReason, Signal

METRICS: Mapping[str, str] = {
    "nll": "Mean negative log-likelihood of a token, nats; exp of it is the perplexity: starts near log(vocabulary).",
}


@dataclass(frozen=True)
class Config:
    """Settings of pretraining."""

    characters: int = 2000
    """A longer text is cut into pieces of at most this many characters; from 1 up. About four make a token."""
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); as in `sft`."""

    def __post_init__(self) -> None:
        if self.characters < 1:
            raise InputError(f"characters: {self.characters} is not a whole number from 1 up. Use 2000.")
        if not 0 <= self.label_smoothing < 0.5:
            raise InputError(f"label_smoothing: {self.label_smoothing} is not in [0, 0.5). Use 0 for plain likelihood.")


def needs(config: Config) -> Needs:
    """Demonstrations, and nothing else."""
    return Needs(eats=(Demonstration,), noise=True)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return an example for each piece of raw text. Raises InputError when there is no raw text at all."""
    raw = [s for s in signals if isinstance(s, Demonstration) and not s.prompt.messages]
    if not raw:
        raise InputError(
            f"pretrain: none of {len(signals)} signals is raw text (a demonstration whose prompt has no messages). "
            "Give a text file, or use sft for demonstrations that answer a prompt."
        )
    return [Example((row,)) for signal in raw for row in _rows(signal, config.characters)]


def _rows(signal: Demonstration, characters: int) -> Iterator[Row]:
    if len(signal.completion.text) <= characters:  # as it came, with its token ids
        yield Row(signal.prompt, signal.completion, weight=signal.weight)
        return
    cut = list(pieces(signal.completion.text, characters))
    for number, piece in enumerate(cut):
        # only the last piece ends as the text does; the others were cut off there
        ended = signal.completion.finish_reason if number == len(cut) - 1 else FinishReason.LENGTH
        part = replace(signal.completion, text=piece, token_ids=None, logprobs=None, index=number, finish_reason=ended)
        yield Row(signal.prompt, part, weight=signal.weight)


def pieces(text: str, characters: int) -> Iterator[str]:
    """Yield the text in pieces of at most this many characters, cut after a line, else after a space, else anywhere.

    Joined they are the text again.
    """
    start = 0
    while len(text) - start > characters:
        end = start + characters
        for mark in ("\n", " "):
            if (cut := text.rfind(mark, start, end)) >= start:
                end = cut + 1
                break
        yield text[start:end]
        start = end
    yield text[start:]


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]: its weighted tokens. Pure, no gradient."""
    return replace(batch, scalars={**batch.scalars, "weight": imitation.total_weight(batch, "token")})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each text's share of the window's mean loss of a token, (B,), in nats, and its metrics.

    batch.weights_BK, its first column: weight of each text; without it all are 1.
    """
    assert outputs.logprobs_BT is not None
    mask_BT = batch.completion_mask_BT
    loss_BT = imitation.token_nll(outputs.logprobs_BT, mask_BT, config.label_smoothing)
    return imitation.shares(loss_BT, batch, "token"), {"nll": imitation.mean_nll(outputs.logprobs_BT, mask_BT)}
