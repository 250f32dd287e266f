"""Do character spans land on the right tokens? Against a brute-force oracle, on random Unicode texts and random tokens.

python benchmarks/spans.py [--cases 10000] [--seed 0]

Every case draws a text (letters of many scripts, emoji with joiners, combining marks, right-to-left, controls) or a run
of token ids, asks for the characters of each token, and asks for the value of each token under random overlapping
spans, in all four ways. The oracle knows nothing of offsets: it looks at each byte and each character. Exact means
equal in every token of the case. Prints a line for each kind of tokenizer.
"""

from __future__ import annotations

import argparse
import codecs
import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from burnish import corpora
from burnish.models.spans import How, spread, token_spans, token_spans_of_ids
from burnish.records import Span

BLOCKS = (
    (0x20, 0x7F), (0x20, 0x7F), (0xA0, 0x17F), (0x300, 0x320), (0x370, 0x3FF), (0x400, 0x45F), (0x5D0, 0x5EB),
    (0x620, 0x660), (0x900, 0x970), (0xE01, 0xE3A), (0x1E00, 0x1EFF), (0x2010, 0x2030), (0x3041, 0x30FF),
    (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFB00, 0xFB06), (0xFF01, 0xFF5F), (0x10330, 0x1034B), (0x1D400, 0x1D430),
    (0x1F600, 0x1F64F), (0x1F3FB, 0x1F400), (0x200B, 0x200E), (0xFE0E, 0xFE10), (0x20000, 0x20010),
)  # fmt: skip
WORDS = [
    "the",
    " lamp",
    "naïve",
    "😀👍🏽",
    "👩‍👩‍👧",
    "很亮",
    "灯",
    "שלום",
    "İstanbul",
    "ﬁne",
    "e\u0301",
    "\n\n",
    "  ",
    "한국",
]
HOWS: tuple[How, ...] = ("touch", "share", "total", "end")


def random_text(rng: random.Random, longest: int = 24) -> str:
    """Return a text of single characters from many blocks and of words that are hard for tokenizers."""
    parts = []
    for _ in range(rng.randint(0, longest)):
        low, high = rng.choice(BLOCKS)
        parts.append(rng.choice(WORDS) if rng.random() < 0.3 else chr(rng.randrange(low, high)))
    return "".join(parts)


# ------------------------------------------------------------------------------------------------------- the tokenizers


def byte_level(rng: random.Random) -> PreTrainedTokenizerFast:
    """Byte-level BPE trained on random texts without splitting words: many tokens hold half a character or one and a
    half."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator((random_text(rng) for _ in range(3000)), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


def normalising() -> PreTrainedTokenizerFast:
    """A tokenizer of single characters behind a normaliser that decomposes, lowers and strips accents."""
    letters = {chr(code): code for code in range(0x21, 0x3000)}
    tokenizer = Tokenizer(
        models.BPE(vocab={"<unk>": 0, **{c: n for n, c in enumerate(letters, 1)}}, merges=[], unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


class Pieces:
    """A slow tokenizer whose ids are runs of bytes: what a decoder that can only decode looks like."""

    is_fast = False
    all_special_ids = (0,)

    def __init__(self) -> None:
        self.parts: list[bytes] = [b""]

    def split(self, text: str, rng: random.Random) -> list[int]:
        """Return ids for a text cut anywhere, also within characters."""
        whole, at, ids = text.encode(), 0, []
        while at < len(whole):
            size = rng.randint(1, 5)
            self.parts.append(whole[at : at + size])
            ids.append(len(self.parts) - 1)
            at += size
        return ids

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return b"".join(self.parts[each] for each in ids).decode("utf-8", "replace")


# ----------------------------------------------------------------------------------------------------------- the oracle


def characters_of_bytes(whole: bytes) -> list[int]:
    """Return the number of the character that each byte ends up in, by feeding a decoder one byte at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    owner, waiting, made = [-1] * len(whole), [], 0
    for at in range(len(whole)):
        made_now = decoder.decode(whole[at : at + 1])
        pending = len(decoder.getstate()[0])
        waiting.append(at)
        done = waiting[: len(waiting) - pending]
        if len(made_now) == 2:  # a broken character, then the byte that broke it
            for each in done[:-1]:
                owner[each] = made
            owner[done[-1]] = made + 1
        else:
            for each in done:
                owner[each] = made
        made += len(made_now)
        waiting = waiting[len(done) :]
    for each in waiting:
        owner[each] = made
    return owner


def spans_of_bytes(parts: list[bytes]) -> list[tuple[int, int] | None]:
    """Return the characters of each run of bytes; None for an empty run, which may stand anywhere."""
    owner = characters_of_bytes(b"".join(parts))
    found: list[tuple[int, int] | None] = []
    at = 0
    for part in parts:
        held = owner[at : at + len(part)]
        found.append((min(held), max(held) + 1) if held else None)
        at += len(part)
    return found


def normalised(text: str) -> list[tuple[int, int]]:
    """Return the place in the text of each character that the normaliser leaves, spaces left out."""
    return [
        (at, at + 1)
        for at, character in enumerate(text)
        for each in unicodedata.normalize("NFKD", character).lower()
        if not unicodedata.category(each).startswith("M") and not each.isspace()
    ]


def worth(spans: list[Span], offsets: list[tuple[int, int]], how: str) -> list[Fraction]:
    """Return the value of each token, character by character, in exact arithmetic."""
    values = [Fraction(0)] * len(offsets)
    for span in spans:
        inside = [{at for at in range(*offset) if span.start <= at < span.end} for offset in offsets]
        touched = [token for token, held in enumerate(inside) if held]
        if not touched:
            continue
        last = max(at for held in inside for at in held)
        for token in touched:
            part = Fraction(1)
            if how == "share":
                part = Fraction(len(inside[token]), offsets[token][1] - offsets[token][0])
            elif how == "total":
                holders = {at: sum(start <= at < end for start, end in offsets) for at in inside[token]}
                owned = sum(Fraction(1, n) for n in holders.values())
                part = owned / len(set().union(*inside))
            elif how == "end":
                part = Fraction(token == max(each for each in touched if last in inside[each]))
            values[token] += Fraction(span.severity) * part
    return values


# ------------------------------------------------------------------------------------------------------------ the cases


@dataclass(frozen=True)
class Case:
    """What was found, and what is right."""

    found: list[tuple[int, int]]
    right: list[tuple[int, int] | None]


def cases_of_bytes(tokenizer: Any, rng: random.Random, *, drawn: bool) -> Iterator[Case]:
    """Yield cases of a byte-level tokenizer: texts, or token ids drawn at random, which need spell no text at all."""
    back = {letter: byte for byte, letter in bytes_to_letters().items()}
    while True:
        if drawn:
            ids = [rng.randrange(len(tokenizer)) for _ in range(rng.randint(0, 20))]
            found = token_spans_of_ids(tokenizer, ids)
        else:
            text = random_text(rng)
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            found = token_spans(tokenizer, text)
        tokens = [tokenizer.convert_ids_to_tokens(each) for each in ids]
        special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        spelled = [all(letter in back for letter in token) for token in tokens]
        parts = [
            b"" if each in special else bytes(back[letter] for letter in token) if plain else token.encode()
            for each, token, plain in zip(ids, tokens, spelled, strict=True)
        ]
        yield Case(found, spans_of_bytes(parts))


def bytes_to_letters() -> dict[int, str]:
    """Return GPT-2's alphabet, by asking the tokenizers library for the letters of every byte that occurs in text."""
    letters: dict[int, str] = {}
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for code in (*range(0x800), *range(0x800, 0x10000, 61), *range(0x10000, 0x110000, 4093)):
        if not 0xD800 <= code < 0xE000:
            ((spelled, _),) = splitter.pre_tokenize_str(chr(code))
            letters.update(zip(chr(code).encode(), spelled, strict=True))
    # the bytes that occur in no text, in the order of their letters: 0xC0, 0xC1, 0xF5 to 0xFF stand for themselves
    return letters | {byte: chr(byte) for byte in range(256) if byte not in letters}


def cases_of_normaliser(tokenizer: Any, rng: random.Random) -> Iterator[Case]:
    while True:
        text = random_text(rng)
        yield Case(token_spans(tokenizer, text), list(normalised(text)))


def cases_of_decoding(rng: random.Random) -> Iterator[Case]:
    while True:
        tokenizer, text = Pieces(), random_text(rng)
        ids = tokenizer.split(text, rng)
        yield Case(token_spans_of_ids(tokenizer, ids), spans_of_bytes([tokenizer.parts[each] for each in ids]))


def is_exact(case: Case, rng: random.Random) -> bool:
    """Return whether every token has the right characters, and the right value under random spans in all four ways."""
    if len(case.found) != len(case.right):
        return False
    for found, right in zip(case.found, case.right, strict=True):
        if found != right and not (right is None and found[0] == found[1]):
            return False
    longest = max((end for _, end in case.found), default=0) + 3
    ends = [sorted((rng.randrange(longest), rng.randrange(longest))) for _ in range(rng.randint(0, 4))]
    spans = [Span(start, end, severity=rng.choice((-2.0, -1.0, 0.5, 1.0, 3.0))) for start, end in ends]
    return all(
        all(abs(one - float(other)) < 1e-9 for one, other in zip(got, worth(spans, case.found, how), strict=True))
        for how in HOWS
        for got in [spread(spans, case.found, how)]
    )


def sources(seed: int) -> dict[str, Callable[[random.Random], Iterator[Case]]]:
    """Return where cases come from, by name, as far as their tokenizers are here."""
    own = byte_level(random.Random(seed))
    plain = normalising()
    found: dict[str, Callable[[random.Random], Iterator[Case]]] = {
        "byte-level, texts": lambda rng: cases_of_bytes(own, rng, drawn=False),
        "byte-level, sampled ids": lambda rng: cases_of_bytes(own, rng, drawn=True),
        "normalising, texts": lambda rng: cases_of_normaliser(plain, rng),
        "decoding only, sampled ids": lambda rng: cases_of_decoding(rng),
    }
    return found


def real_sources() -> dict[str, Callable[[random.Random], Iterator[Case]]]:
    """Return the cases of SmolLM2's own tokenizer."""
    real = PreTrainedTokenizerFast.from_pretrained(str(corpora.resolve("smollm2-135m")))
    return {
        "SmolLM2, texts": lambda rng: cases_of_bytes(real, rng, drawn=False),
        "SmolLM2, sampled ids": lambda rng: cases_of_bytes(real, rng, drawn=True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    everything = sources(args.seed) | real_sources()
    each = -(-args.cases // len(everything))
    print(f"{'':<28}{'cases':>8}{'tokens':>10}{'shared characters':>19}{'exact':>8}")
    for name, cases in everything.items():
        rng = random.Random(f"{name} {args.seed}")
        exact = tokens = shared = 0
        for _, case in zip(range(each), cases(rng), strict=False):
            exact += is_exact(case, rng)
            tokens += len(case.found)
            shared += sum(
                one[1] > two[0] for one, two in zip(case.found, case.found[1:], strict=False) if two[0] < two[1]
            )
        print(f"{name:<28}{each:>8,}{tokens:>10,}{shared:>19,}{exact:>8,}")


if __name__ == "__main__":
    main()
