"""What is refused before it reaches a transaction, and in which words."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.records import Author, Completion, Feedback, Message, Prompt
from burnish.store import Checked, Entry, check

PROMPT = Prompt.of("How is it?")
COMPLETION = Completion(PROMPT.id, "Fine.")
FEEDBACK = Feedback("f1", "rating", PROMPT.id, (COMPLETION.id,), {"rating": 4})


def with_feedback(**changes):
    return Entry(PROMPT, (COMPLETION,), (replace(FEEDBACK, **changes),))


def deep(levels):
    value: dict = {}
    for _ in range(levels):
        value = {"a": value}
    return value


circular: dict = {}
circular["itself"] = circular

BAD_FEEDBACK = [
    ({"id": ""}, "id: empty"),
    ({"id": 7}, "id: 7 is not text"),
    ({"id": "a\nb"}, "id: .* control"),
    ({"id": "x" * 257}, "id: 257 characters"),
    ({"kind": ""}, "kind: empty"),
    ({"prompt_id": "p_other"}, "prompt_id: 'p_other' is not"),
    ({"completion_ids": ("",)}, "completion_ids: empty"),
    ({"completion_ids": (3,)}, "completion_ids: 3"),
    ({"value": {"rating": math.nan}}, r"value\.rating: nan is not a finite number"),
    ({"value": {"rating": -math.inf}}, r"value\.rating: -inf"),
    ({"value": {"scale": [1, math.inf]}}, r"value\.scale\[1\]: inf"),
    ({"value": {"rating": 2**63}}, r"value\.rating: an integer of more than 64 bits"),
    ({"value": {"rating": 10**5000}}, r"value\.rating: an integer of more than 64 bits"),
    ({"author": Author("ana", ["human"])}, "author: .* is not an Author of kind"),
    ({"value": {"text": "a\0b"}}, r"value\.text: character 1 is NUL"),
    ({"value": {"text": "\ud800"}}, r"value\.text: character 0 is half a surrogate pair \(U\+D800\)"),
    ({"value": {"\0": 1}}, "value: key: character 0 is NUL"),
    ({"value": {1: 2}}, "value: 1 is not keys that are text"),
    ({"value": {"when": datetime.now(UTC)}}, r"value\.when: datetime.* is not a plain JSON value"),
    ({"value": {"raw": b"bytes"}}, r"value\.raw: b'bytes' is not a plain JSON value"),
    ({"completion_ids": None}, "completion_ids: None is not a tuple"),
    ({"completion_ids": "c_1"}, "completion_ids: 'c_1' is not a tuple"),
    ({"value": deep(100)}, "value: nested deeper than 64 levels"),
    ({"value": deep(100_000)}, "value: nested deeper than 64 levels"),
    ({"value": circular}, "value: nested deeper than 64 levels"),
    ({"value": [1]}, r"value: \[1\] is not a mapping"),
    ({"value": {"text": "x" * (1 << 20)}}, "value: 1,048,587 bytes, but at most 1,048,576"),
    ({"comment": "é" * (1 << 19) + "é"}, "comment: 1,048,578 bytes"),
    ({"comment": "a\0"}, "comment: character 1 is NUL"),
    ({"comment": "x\udfffy"}, "comment: character 1 is half a surrogate pair"),
    ({"comment": None}, "comment: None is not text"),
    ({"author": "ana"}, "author: 'ana' is not an Author"),
    ({"author": Author("ana", "robot")}, "author: .* is not an Author of kind human, ai or rule"),
    ({"author": Author("a\u202eb")}, "author.id"),
    ({"supersedes": "f1"}, "supersedes: 'f1' is not the id of another record"),
    ({"seconds_spent": -1.0}, "seconds_spent: -1.0 is not a finite number of seconds"),
    ({"seconds_spent": math.nan}, "seconds_spent: nan"),
    ({"seconds_spent": True}, "seconds_spent: True"),
    ({"round": -1}, "round: -1 is not an integer from 0"),
    ({"round": 1.0}, "round: 1.0 is not an integer"),
    ({"time": "yesterday"}, "time: 'yesterday' is not RFC 3339"),
    ({"time": "2024-01-01"}, "time: '2024-01-01' is not RFC 3339"),
    ({"time": "2024-01-01T00:00:00"}, "time: .* is not RFC 3339"),
    ({"time": "2024-02-30T00:00:00Z"}, "time: .* is not RFC 3339"),
    ({"time": 17}, "time: 17 is not RFC 3339"),
    ({"time": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}, "time: .* is in the future"),
    ({"time": "9999-12-31T23:59:59-23:59"}, "time: .*"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_FEEDBACK, ids=[message for _, message in BAD_FEEDBACK])
def test_bad_feedback_is_refused_naming_the_field(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        check(with_feedback(**changes))
    assert "feedback" in str(caught.value)
    assert len(str(caught.value)) < 400


BAD_COMPLETIONS = [
    ({"prompt_id": "p_x"}, "prompt_id: 'p_x' is not"),
    ({"text": None}, "text: None is not text"),
    ({"text": "a\0"}, "text: character 1 is NUL"),
    ({"text": "x" * ((1 << 20) + 1)}, "text: 1,048,577 bytes"),
    ({"token_ids": (1, -1)}, "token_ids"),
    ({"token_ids": 7}, "token_ids: 7 is not a tuple"),
    ({"token_ids": (1,), "logprobs": ("a",)}, "logprobs: .* is not numbers"),
    ({"token_ids": (1, True)}, "token_ids"),
    ({"token_ids": (1,), "logprobs": (0.0, 0.0)}, "logprobs: 2 is not one for each of 1 token_ids"),
    ({"token_ids": (1,), "logprobs": (math.nan,)}, "logprobs.*nan is not a finite number"),
    ({"logprobs": (0.0,)}, "logprobs"),
    ({"finish_reason": "stop"}, "finish_reason: 'stop' is not a FinishReason"),
    ({"sampling": {"temperature": 1}}, "sampling: .* is not a Sampling"),
    ({"model": 3}, "model: 3 is not text"),
    ({"run": None}, "run: None is not text"),
    ({"index": -1}, "index: -1"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_COMPLETIONS, ids=[message for _, message in BAD_COMPLETIONS])
def test_bad_completions_are_refused_naming_the_field(changes, message):
    with pytest.raises(InputError, match=message):
        check(Entry(PROMPT, (replace(COMPLETION, **changes),)))


BAD_PROMPTS = [
    (Prompt((Message("user", 3),)), "messages.content: 3 is not text"),
    (Prompt((Message("", "hello"),)), "messages.role: empty"),
    (Prompt(("hello",)), "messages: 'hello' is not Message records"),
    (Prompt((), split="dev"), "split: 'dev' is not train, validation or test"),
    (Prompt((), reference="\0"), "reference: character 0 is NUL"),
    (Prompt((), metadata={"x": math.nan}), r"metadata\.x: nan"),
    ("How is it?", "'How is it\\?' is not a Prompt"),
]


@pytest.mark.parametrize(("prompt", "message"), BAD_PROMPTS, ids=[message for _, message in BAD_PROMPTS])
def test_bad_prompts_are_refused_naming_the_field(prompt, message):
    with pytest.raises(InputError, match=message):
        check(Entry(prompt))


def test_an_entry_is_an_entry():
    with pytest.raises(InputError, match=r"expected burnish\.store\.Entry, not dict"):
        check({"prompt": PROMPT})
    with pytest.raises(InputError, match=r"completions: .* is not a tuple"):
        check(Entry(PROMPT, COMPLETION))
    with pytest.raises(InputError, match="is not a Feedback"):
        check(Entry(PROMPT, (), (COMPLETION,)))
    with pytest.raises(InputError, match="is not a Completion"):
        check(Entry(PROMPT, (FEEDBACK,)))


@pytest.mark.parametrize(
    "time", ["", "2024-01-01T00:00:00Z", "2024-01-01t00:00:00.123456789+05:30", "1969-12-31 23:59:59-00:00"]
)
def test_good_times_pass(time):
    assert isinstance(check(with_feedback(time=time)), Checked)


def test_a_clock_a_minute_ahead_is_no_mistake():
    check(with_feedback(time=(datetime.now(UTC) + timedelta(minutes=1)).isoformat()))


NAMES = ["Анна", "فاطمه\u200cزهرا", "山田\u3000太郎", "👩\u200d🚀", "O'Brien; DROP TABLE feedback"]  # noqa: RUF001  (names)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_languages_pass(name):
    check(with_feedback(id=name, author=Author(name)))


def test_a_mapping_that_is_no_dict_passes():
    assert check(with_feedback(value=MappingProxyType({"b": 1, "a": [True, None]}))).feedback[0][1][0] == (
        '{"a":[true,null],"b":1}'
    )


def test_completions_outside_the_entry_are_named():
    assert check(Entry(PROMPT, (), (FEEDBACK,))).outside == {COMPLETION.id}
    assert check(with_feedback()).outside == frozenset()


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=3)
    | st.just("\ud83d")
    | st.just("\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=10,
)


RECORDS = [PROMPT, COMPLETION, FEEDBACK]
FIELDS = [(record, field.name) for record in RECORDS for field in fields(record)]


@pytest.mark.parametrize(("record", "field"), FIELDS, ids=[f"{type(a).__name__}.{b}" for a, b in FIELDS])
@settings(max_examples=30, deadline=None)
@given(value=anything)
def test_any_value_in_any_field_passes_whole_or_is_refused(record, field, value):
    """J6: wrong types for every field; the only error is InputError, and what passes is finite JSON in UTF-8."""
    changed = replace(record, **{field: value})
    prompt, completion, feedback = (changed if each is record else each for each in RECORDS)
    try:
        checked = check(Entry(prompt, (completion,), (feedback,)))
    except InputError:
        return
    for text in (each for row in checked.feedback[0] for each in row if isinstance(each, str)):
        text.encode()
        assert "\0" not in text
    json.loads(checked.feedback[0][1][0], parse_constant=pytest.fail)
