"""`--model new:KIND`: a small model made of the text that a run learns from, its tokenizer first, untrained.

It lies in the run's folder under `model` and is a model like any other from then on. What is trained of it is all of
it: an adapter beside random weights would learn to work around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from burnish import config, files, progress
from burnish.errors import InputError, nearest
from burnish.loop import ready
from burnish.records import Preference, Signal

PREFIX = ready.NEW
LEAST_CHARACTERS = 1_000
"""Of less text not even spelling can be learned."""
BYTES_PER_TOKEN, LEAST_TOKENS, MOST_TOKENS = 100, 320, 4_096
"""Of a vocabulary nobody chose: each token is met some tens of times, and the output matrix stays small."""
MEANT = {
    "rnn": "gru", "recurrent": "gru", "transformer": "decoder", "llama": "decoder", "gpt": "decoder", "lm": "decoder",
    "seq2seq": "encoder_decoder", "t5": "encoder_decoder", "encdec": "encoder_decoder", "bert": "encoder",
}  # fmt: skip
"""Other names that people have for the kinds."""
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "new": {
        "adapter": {"kind": "full"},
        "optimiser": {"learning_rate": 0.003, "schedule": "cosine"},
        "course": {"steps": 300, "examples_per_step": 16},
        "look": {"every": 10},  # a small text is learned by heart within tens of steps
        "max_tokens": 2_000,
    },
    "small": {"adapter": {"kind": "full"}, "optimiser": {"learning_rate": 0.001}},
}
"""Settings that nobody gave: on a model that is made now, and on one that was made so and is trained further."""
READ = {"max_tokens": 512}
"""Of an encoder: it has a vector of its own for each place, so a place that no text reaches is never learned."""
PIECES = {"characters": 500}
"""Of `pretrain` on a new model: at most 2,000 bytes in any script, and so tokens, so that nothing of it is cut off."""


@dataclass(frozen=True)
class NewModel:
    """How large a model is that a run makes itself; `--model new:gru` and the like."""

    vocabulary: int | None = None
    """Tokens of the vocabulary learned from the text (bytes, then merges), from 259 up; none: one for every 100 bytes
    of text, from 320 to 4,096."""
    hidden: int = 128
    """Width of the states."""
    layers: int = 2
    """Layers; of the encoder and of the decoder where there are both."""
    heads: int = 4
    """decoder, encoder: attention heads; twice as many divide `hidden`."""
    dropout: float = 0.0
    """Share of activations dropped while given texts are learned, in [0, 1)."""
    teacher_forcing: float = 1.0
    """encoder_decoder: probability that an input is the true token while given texts are learned, in [0, 1]."""

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "heads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a whole number from 1 up.")
        if self.vocabulary is not None and self.vocabulary < 259:
            raise InputError(f"vocabulary: {self.vocabulary} is less than the 259 tokens that any text needs.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout: {self.dropout} is not in [0, 1). Use 0 for none.")
        if not 0 <= self.teacher_forcing <= 1:
            raise InputError(f"teacher_forcing: {self.teacher_forcing} is not in [0, 1]. Use 1 for true tokens only.")


def is_new(model: str) -> bool:
    """Return whether this name asks for a model to be made."""
    return model.startswith(PREFIX)


def check(model: str, size: NewModel) -> None:
    """Raise InputError for a kind that no run makes, or a size that the kind has not."""
    from burnish.models import small  # brings transformers

    kind, kinds = model.removeprefix(PREFIX), list(small.KINDS)
    if kind not in kinds:
        meant = MEANT.get(kind.lower())
        hint = f" Did you mean '{PREFIX}{meant}'?" if meant else nearest(model, [PREFIX + each for each in kinds])
        raise InputError(f"model: {model!r}: no such kind of small model ({', '.join(kinds)}).{hint}")
    for name, only in (("heads", ("decoder", "encoder")), ("teacher_forcing", ("encoder_decoder",))):
        if kind not in only and getattr(size, name) != getattr(NewModel(), name):
            those = " and ".join(PREFIX + each for each in only)
            raise InputError(f"new.{name}: a setting of {those}, and the model is {model}. Leave it out.")


def check_same(before: Mapping[str, Any], model: str, size: NewModel, out: Path) -> None:
    """Raise InputError where a run that goes on is told of another model than the one that it made.

    before: the settings it began with; empty where none has begun.
    """
    began = str(before.get("model", model))
    if not (is_new(began) or is_new(model)):
        return
    if began != model or config.build(NewModel, before.get("new", {}), where=str(out)) != size:
        raise InputError(
            f"--resume: {out} began with {began}, of the sizes under [new] in its config.toml. Leave --model and the "
            "sizes out to go on with it, or choose another folder with --out."
        )


def defaults(model: str, method: str) -> Mapping[str, Any]:
    """Return the settings that a run on this model begins with in place of the general ones."""
    if is_new(model):
        read = READ if ready.is_encoder(model) else {}
        return {**DEFAULTS["new"], **read, **({method: PIECES} if method == "pretrain" else {})}
    return DEFAULTS["small"] if ready.small_kind(model) else {}


def make(
    model: str, size: NewModel, signals: Sequence[Signal], folder: Path, *, data: str, longest: int, seed: int
) -> None:
    """Write the untrained model into the folder, whole or not at all, and say what was made.

    data: where the signals come from, for messages. longest: tokens that a text may have. Raises InputError where
    there is too little text, or it does not give the vocabulary that was asked for.
    """
    from burnish.models import small

    texts = list(texts_of(signals))
    count = sum(map(len, texts))
    if count < LEAST_CHARACTERS:
        raise InputError(
            f"--data {data}: {count:,} characters are too little text to make a model of. Bring {LEAST_CHARACTERS:,} "
            "at least; some tens of thousands begin to teach it to spell."
        )
    wanted = size.vocabulary or vocabulary_for(texts)
    sizes = {each.name: getattr(size, each.name) for each in fields(size) if each.name != "vocabulary"}
    with files.publish(folder) as temporary:
        made = small.make(
            temporary, kind=model.removeprefix(PREFIX), texts=texts, vocabulary=wanted, longest=longest, seed=seed,
            **sizes,
        )  # fmt: skip
        if size.vocabulary and made.vocabulary < size.vocabulary:
            raise InputError(
                f"new.vocabulary: {size.vocabulary:,} tokens, but the {count:,} characters of --data {data} give "
                f"{made.vocabulary:,} at most. Use --set new.vocabulary={made.vocabulary}, or bring more text."
            )
    progress.say(
        f"made {model}: {made.parameters:,} weights, a vocabulary of {made.vocabulary:,} tokens learned from "
        f"{count:,} characters, untrained, in {folder}"
    )


def vocabulary_for(texts: Iterable[str]) -> int:
    """Return how many tokens suit so much text."""
    return min(max(sum(len(text.encode()) for text in texts) // BYTES_PER_TOKEN, LEAST_TOKENS), MOST_TOKENS)


def texts_of(signals: Iterable[Signal]) -> Iterator[str]:
    """Yield every text that signals hold: what was asked, once for each prompt, and what was said."""
    asked = set[str]()
    for signal in signals:
        if signal.prompt.id not in asked:
            asked.add(signal.prompt.id)
            yield from (message.content for message in signal.prompt.messages)
        said = signal.completions if isinstance(signal, Preference) else (signal.completion,)
        yield from (completion.text for completion in said)
