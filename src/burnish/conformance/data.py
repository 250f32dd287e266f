"""What is in the data that a model is to learn from: cut off, said twice, contradicted, or decided by length."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from burnish.conformance.finding import Finding
from burnish.examples import Row
from burnish.models.headed import HeadedPolicy
from burnish.records import Completion, Preference, Score, Signal

CUT_OFF, REPEATED, CONTRADICTED = 0.02, 0.05, 0.02
"""Shares above which a note is made: of texts, of signals, of pairs."""
LONGER = 0.65
"""Share of pairs whose longer text is chosen, above which (or below whose complement) length alone is learned."""
FEW = 20
"""Pairs below which their lengths say little."""


def findings(network: HeadedPolicy, signals: Sequence[Signal]) -> Iterator[Finding]:
    """Yield what is found in all the signals; tokens are counted with the model's own tokenizer."""
    yield of_room(network, signals)
    yield of_repeats(signals)
    yield of_contradictions(signals)
    if any(isinstance(signal, Preference) for signal in signals):
        yield of_length(signals)


def rows_of(signals: Sequence[Signal]) -> list[Row]:
    """Return every completion with its prompt, in the data's order, each once."""
    found: dict[tuple[str, str], Row] = {}
    for signal in signals:
        for completion in said_in(signal):
            found.setdefault((signal.prompt.id, completion.text), Row(signal.prompt, completion))
    return list(found.values())


def said_in(signal: Signal) -> tuple[Completion, ...]:
    """Return the completions that a signal speaks of."""
    return signal.completions if isinstance(signal, Preference) else (signal.completion,)


def of_room(network: HeadedPolicy, signals: Sequence[Signal]) -> Finding:
    """Return whether texts fit: a prompt's beginning goes first, then a completion's end, which is never learned."""
    rows = rows_of(signals)
    short = long = empty = 0
    for row in rows:
        said = len(network.tokens(row))
        empty += not row.completion.text.strip()
        long += said >= network.max_tokens
        short += bool(row.prompt.messages) and said + len(network.policy.encode(row.prompt)) > network.max_tokens
    share = max(short, long) / max(len(rows), 1)
    said_so = (
        f"{len(rows)} texts: {short} prompts lose their beginning, {long} completions their end, at "
        f"{network.max_tokens} tokens; {empty} completions are empty"
    )
    if share > CUT_OFF or empty:
        return Finding("length", "note", said_so, "raise max_tokens, or shorten or leave out these texts")
    return Finding("length", "ok", said_so)


def of_repeats(signals: Sequence[Signal]) -> Finding:
    """Return how many signals say what another said already: they weigh several times, and leak into held-out parts."""
    seen = Counter(
        (type(signal).__name__, signal.prompt.id, tuple(each.text for each in said_in(signal))) for signal in signals
    )
    more = sum(count - 1 for count in seen.values())
    said = f"{more} of {len(signals)} signals repeat another's prompt and texts"
    if more > REPEATED * len(signals):
        return Finding("repeats", "note", said, "keep one of each, or lower their weight")
    return Finding("repeats", "ok", said)


def of_contradictions(signals: Sequence[Signal]) -> Finding:
    """Return how often the same two texts are ranked both ways, or one text scored far apart."""
    ways: dict[tuple[str, frozenset[str]], set[str]] = defaultdict(set)
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for signal in signals:
        if isinstance(signal, Preference) and signal.is_pair and signal.ranks[0] != signal.ranks[1]:
            texts = frozenset((signal.chosen.text, signal.rejected.text))
            ways[signal.prompt.id, texts].add(signal.chosen.text)
        elif isinstance(signal, Score) and signal.value is not None:
            values[signal.prompt.id, signal.completion.text, signal.aspect].append(signal.value)
    every = [value for said in values.values() for value in said]
    span = (max(every) - min(every)) if every else 0.0
    apart = sum(max(said) - min(said) > span / 2 for said in values.values() if len(said) > 1 and span > 0)
    both = sum(len(chosen) > 1 for chosen in ways.values())
    same = sum(len(texts) == 1 for _, texts in ways)
    said = f"{both} of {len(ways)} pairs are ranked both ways, {apart} of {len(values)} texts scored far apart"
    if same:
        said += f"; {same} pairs hold the same text twice"
    if both + apart + same > CONTRADICTED * max(len(ways) + len(values), 1):
        return Finding("contradictions", "note", said, "see who disagrees: burnish feedback doctor; or label_smoothing")
    return Finding("contradictions", "ok", said)


def of_length(signals: Sequence[Signal]) -> Finding:
    """Return how often the longer of two texts is the chosen one: what a reward learns first where it is often."""
    pairs = [s for s in signals if isinstance(s, Preference) and s.is_pair and s.ranks[0] != s.ranks[1]]
    unlike = [pair for pair in pairs if len(pair.chosen.text) != len(pair.rejected.text)]
    longer = sum(len(pair.chosen.text) > len(pair.rejected.text) for pair in unlike)
    share = longer / max(len(unlike), 1)
    said = f"the longer text is chosen in {longer} of {len(unlike)} pairs ({share:.0%})"
    if len(unlike) >= FEW and not 1 - LONGER <= share <= LONGER:
        remedy = "length alone would be learned: add pairs where it is the other way, or use simpo"
        return Finding("length bias", "note", said, remedy)
    return Finding("length bias", "ok", said if len(unlike) >= FEW else f"{said}: too few to tell")
