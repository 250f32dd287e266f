"""Character spans on tokens: which characters a token holds, and what a marked part of a text is worth to each token.

People mark characters, models are rewarded by token. Between them lie three traps. A byte-level token may hold half a
character, so characters and tokens overlap in both directions. A tokenizer may normalise, so that its tokens do not
spell the text. And a sampled completion must never be tokenised again: other tokens may spell the same text, and their
rewards would land on tokens that were never drawn. So offsets come from the tokenizer where a text is given, and from
decoding, piece by piece, where token ids are.

An offset is (start, end), end exclusive, in characters (code points) of the text; a token that holds nothing of the
text, such as the end token, has an empty one. Neighbouring tokens that share a character both have it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from burnish.errors import InputError, nearest
from burnish.records import Span

Offsets: TypeAlias = Sequence[tuple[int, int]]
How: TypeAlias = Literal["touch", "share", "total", "end"]

_HALF = "\N{REPLACEMENT CHARACTER}"


def token_spans(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """The characters of each token of a text, no special tokens added.

    Where the tokens spell the text (byte-level BPE without a normaliser), from their bytes: the space before a word
    belongs to its token, which the tokenizer's own offsets may leave out. Else the tokenizer's own offsets, which lead
    through its normaliser back to the text; else (a slow tokenizer) by decoding.
    """
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], [(int(start), int(end)) for start, end in encoded["offset_mapping"]]
        spelled = _by_bytes(tokenizer, ids, frozenset())
        return spelled[1] if spelled is not None and spelled[0] == text else offsets
    return token_spans_of_ids(tokenizer, tokenizer(text, add_special_tokens=False)["input_ids"], text=text)


def offsets_of(folder: Path) -> Callable[[str], Offsets]:
    """The function that gives the characters of each token of a text, by the tokenizer of a folder.

    Raises InputError where the folder holds none.
    """
    from transformers import AutoTokenizer  # rooms below know nothing of it, and start without it

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(f"tokenizer: {folder} holds none that can be loaded ({error}). Name a model.") from None
    return functools.partial(token_spans, tokenizer)


def token_spans_of_ids(
    tokenizer: Any, ids: Sequence[int], *, text: str | None = None, skip_special_tokens: bool = True
) -> list[tuple[int, int]]:
    """The characters of each token of a sampled completion, in the text that these ids decode to.

    `text`: what was kept of it (a stop text is cut off); offsets end where it ends. Bytes that are no character decode
    to U+FFFD, and the tokens that hold them have that. Raises InputError where the ids do not spell `text`.
    """
    listed = [int(each) for each in ids]
    skipped = _special(tokenizer) if skip_special_tokens else frozenset()
    spelled = _by_bytes(tokenizer, listed, skipped) or _by_decoding(tokenizer, listed, skipped)
    whole, offsets = spelled
    if text is None:
        return offsets
    if not whole.startswith(text):
        raise InputError(
            f"token_spans_of_ids: these {len(listed)} tokens decode to {whole[:40]!r}, not to {text[:40]!r}. Give the "
            "ids that were sampled with this text, and the tokenizer they were sampled with."
        )
    return [(min(start, len(text)), min(end, len(text))) for start, end in offsets]


def _special(tokenizer: Any) -> frozenset[int]:
    """Ids that decoding skips: those with a role (end, padding), and added tokens that were marked as special."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    marked = [int(number) for number, token in added.items() if getattr(token, "special", False)]
    return frozenset([*map(int, tokenizer.all_special_ids), *marked])


def spread(spans: Sequence[Span], offsets: Offsets, how: How = "touch") -> list[float]:
    """The value of each token: what the spans over it are worth, their `severity`; overlapping spans add up.

    touch   every token that holds a character of the span gets all of its severity (the reward of a window's row)
    share   the severity times the share of the token's characters that lie in the span
    total   the severity is divided among the span's tokens by characters, and sums to it; a character that several
            tokens hold is divided evenly among them
    end     the last token of the span gets all of it: a reward given when the part is complete (Wu et al. 2023,
            arXiv 2306.01693)

    A span without characters, or beyond all tokens, is worth nothing to any.
    """
    if how not in get_args(How):
        raise InputError(f"spread: how: {how!r} is unknown.{nearest(how, get_args(How))}")
    values = [0.0] * len(offsets)
    holders = _holders(offsets) if how == "total" else []
    for span in spans:
        for token, part in _parts(span, offsets, how, holders):
            values[token] += span.severity * part
    return values


def _parts(span: Span, offsets: Offsets, how: How, holders: Sequence[int]) -> Iterator[tuple[int, float]]:
    """The tokens of a span, and what part of its worth each gets."""
    touched = [token for token, (start, end) in enumerate(offsets) if max(start, span.start) < min(end, span.end)]
    if how == "end":
        if touched:
            last = max(touched, key=lambda token: (min(offsets[token][1], span.end), token))
            yield last, 1.0
        return
    held = {token: (max(offsets[token][0], span.start), min(offsets[token][1], span.end)) for token in touched}
    if how == "touch":
        yield from ((token, 1.0) for token in touched)
    elif how == "share":
        lengths = {token: offsets[token][1] - offsets[token][0] for token in held}
        yield from ((token, (end - start) / lengths[token]) for token, (start, end) in held.items())
    else:
        owned = {token: sum(1 / holders[at] for at in range(start, end)) for token, (start, end) in held.items()}
        whole = sum(owned.values())  # characters of the span that some token holds
        yield from ((token, part / whole) for token, part in owned.items())


def _holders(offsets: Offsets) -> list[int]:
    """How many tokens hold each character."""
    counts = [0] * max((end for _, end in offsets), default=0)
    for start, end in offsets:
        for at in range(start, end):
            counts[at] += 1
    return counts


# --------------------------------------------------------------------------------------------------------- from bytes


def _by_bytes(tokenizer: Any, ids: Sequence[int], skipped: frozenset[int]) -> tuple[str, list[tuple[int, int]]] | None:
    """The text and its offsets where the tokenizer is byte-level, so that tokens are bytes and nothing else; else None.

    Checked against the tokenizer's own decoder: where it does more than join bytes, this is not for it.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or type(backend.decoder).__name__ != "ByteLevel":
        return None
    parts = [b"" if each in skipped else _bytes_of(tokenizer.convert_ids_to_tokens(each)) for each in ids]
    text, starts = _decoded(b"".join(parts))
    if text != tokenizer.decode(list(ids), skip_special_tokens=bool(skipped)):
        return None
    return text, list(_spans_of_bytes(parts, starts))


def _spans_of_bytes(parts: Sequence[bytes], starts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The characters of each run of bytes; `starts` are the bytes at which characters start, and the end of all."""
    character, at = 0, 0
    for part in parts:
        while starts[character + 1 : character + 2] and starts[character + 1] <= at:
            character += 1
        end = at + len(part)
        last = character
        while last < len(starts) - 1 and starts[last] < end:
            last += 1
        yield (character, last) if part else (character, character)
        at = end


def _decoded(whole: bytes) -> tuple[str, list[int]]:
    """Bytes as text, U+FFFD for what is no character, and the byte at which each character starts, the end last."""
    text, starts, at = [], [], 0
    while at < len(whole):
        try:
            good, bad = whole[at:].decode("utf-8"), 0
        except UnicodeDecodeError as error:
            good, bad = whole[at : at + error.start].decode("utf-8"), error.end - error.start
        for character in good:
            starts.append(at)
            at += len(character.encode())
        text.append(good)
        if bad:  # one U+FFFD for the longest beginning of a character, as Unicode recommends and both decoders do
            starts.append(at)
            text.append(_HALF)
            at += bad
    return "".join(text), [*starts, len(whole)]


def _bytes_of(token: str) -> bytes:
    """The bytes of a byte-level token; a token with a letter outside that alphabet (an added one) is its own text."""
    table = _alphabet()
    known = [table.get(letter) for letter in token]
    return token.encode() if None in known else bytes(each for each in known if each is not None)


@functools.cache
def _alphabet() -> dict[str, int]:
    """Letter to byte: printable Latin-1 stands for itself, every other byte for a letter from U+0100 on (GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


# ------------------------------------------------------------------------------------------------------ from decoding


def _by_decoding(tokenizer: Any, ids: Sequence[int], skipped: frozenset[int]) -> tuple[str, list[tuple[int, int]]]:
    """The text and its offsets, by decoding ever longer beginnings: what a beginning and the whole share is settled.

    A beginning that ends in half a character decodes to U+FFFD there; its token holds the character that comes to
    stand at that place, and so do the tokens that complete it. (Where the text itself has a U+FFFD, a token next to it
    may be off by that one.) Takes time in the square of the length: 0.2 s for 1,000 tokens.
    """

    def decode(some: Sequence[int]) -> str:
        return str(tokenizer.decode(list(some), skip_special_tokens=bool(skipped)))

    whole = decode(ids)
    offsets: list[tuple[int, int]] = []
    settled, before = 0, ""
    for count, token in enumerate(ids, 1):
        text = decode(ids[:count])
        shared = _shared(text, whole, settled)
        half = shared < len(whole) and text[shared:].startswith(_HALF)
        start, end = settled, shared + half
        if start == end and text == before and text.endswith(_HALF) and token not in skipped:
            start = end - 1  # one more byte of what will never be a character
        offsets.append((start, end))
        settled, before = shared, text
    return whole, offsets


def _shared(text: str, whole: str, known: int) -> int:
    """How many characters two texts begin with alike, of which so many are known."""
    at, limit = known, min(len(text), len(whole))
    while at < limit and text[at] == whole[at]:
        at += 1
    return at
