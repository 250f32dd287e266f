"""The nouns: what they refuse, what they are called, and that they survive being written down."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.plain import signal_from_plain, signal_to_plain, snapshot_hash
from burnish.records import (
    Completion,
    Critique,
    Demonstration,
    FinishReason,
    Message,
    Preference,
    Prompt,
    Sampling,
    Score,
    Signal,
    Span,
    canonical_json,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PROMPTS = st.builds(Prompt.of, TEXTS, source=TEXTS, metadata=st.dictionaries(TEXTS, FINITE | TEXTS, max_size=2))
SAMPLINGS = st.builds(Sampling, temperature=st.floats(0, 100), stop=st.lists(TEXTS.filter(bool), max_size=2).map(tuple))
COMPLETIONS = st.builds(
    Completion,
    prompt_id=TEXTS,
    text=TEXTS,
    token_ids=st.none() | st.lists(st.integers(0, 50_000), max_size=4).map(tuple),
    logprobs=st.none() | st.lists(FINITE, max_size=4).map(tuple),
    sampling=st.none() | SAMPLINGS,
    finish_reason=st.sampled_from(FinishReason),
)
SPANS = st.lists(st.builds(Span, st.integers(0, 9), st.integers(9, 20), TEXTS), max_size=2).map(tuple)
SIGNALS = st.one_of(
    st.builds(Demonstration, PROMPTS, COMPLETIONS, weight=FINITE),
    st.builds(Score, PROMPTS, COMPLETIONS, st.none() | FINITE, counts=st.just(((1.0, 2), (4.0, 1))), spans=SPANS),
    st.builds(Score, PROMPTS, COMPLETIONS, FINITE, token_rewards=SPANS),
    st.builds(Critique, PROMPTS, COMPLETIONS, TEXTS, spans=SPANS, revision=st.none() | TEXTS),
    st.tuples(PROMPTS, COMPLETIONS, COMPLETIONS).map(lambda t: Preference(t[0], (t[1], t[2]), (0, None), 0.7)),
)


@settings(max_examples=150, deadline=None)
@given(SIGNALS)
def test_a_signal_survives_being_written_down(signal: Signal):
    line = canonical_json(signal_to_plain(signal))
    assert signal_from_plain(json.loads(line)) == signal
    assert snapshot_hash([signal]) == snapshot_hash([signal_from_plain(json.loads(line))])


def test_a_snapshot_is_named_by_content_and_order():
    one, other = (Demonstration(Prompt.of("x"), Completion("p", text)) for text in "ab")
    assert snapshot_hash([one, other]) != snapshot_hash([other, one]) != snapshot_hash([one])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"temperature": -1}, "temperature: -1"),
        ({"temperature": float("nan")}, "temperature: nan"),
        ({"top_p": 0}, "top_p: 0"),
        ({"top_k": -1}, "top_k: -1"),
        ({"max_new_tokens": 0}, "max_new_tokens: 0"),
        ({"stop": ("a", "")}, "stop: an empty text"),
    ],
)
def test_sampling_out_of_range(values, said):
    with pytest.raises(InputError, match=said):
        Sampling(**values)


def test_a_preference_knows_its_pair():
    prompt, good, bad = Prompt.of("x"), Completion("p", "good"), Completion("p", "bad")
    pair = Preference(prompt, (bad, good), (1, 0))
    assert (pair.chosen, pair.rejected) == (good, bad)
    tie = Preference(prompt, (bad, good), (0, 0))
    assert (tie.chosen, tie.rejected) == (bad, good)
    three = Preference(prompt, (bad, good, good), (2, 0, 1))
    with pytest.raises(InputError, match="ranking of 3"):
        _ = three.chosen
    with pytest.raises(InputError, match="2 completions but 3 ranks"):
        Preference(prompt, (bad, good), (0, 1, 2))
    with pytest.raises(InputError, match=r"probability: 1\.5"):
        Preference(prompt, (bad, good), (0, 1), 1.5)


def test_a_score_is_a_number_or_nothing():
    for value in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="Use None"):
            Score(Prompt.of("x"), Completion("p", "y"), value)


def test_a_prompt_is_what_is_asked_and_nothing_else():
    asked = Prompt.of("x", metadata={"a": 1}, split="test")
    assert asked.id == Prompt.of([Message("user", "x")]).id
    assert asked.id != Prompt.of([Message("system", "x")]).id
    assert Prompt(()).text == ""
