import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.feedback.answers import Answer, answers_of
from burnish.feedback.rows import Given, to_entry, to_row
from burnish.records import Author, Completion, Feedback, FinishReason, Message, Prompt, Sampling
from burnish.store import check

RATED = {"prompt": "Hi", "completion": "Hello", "rating": 4, "scale": [1, 5]}


def entry_of(row, **given):
    return to_entry(row, ("digest", 0), Given(**given))


def test_a_row_becomes_prompt_completion_and_feedback():
    row = {
        **RATED,
        "author": "ana",
        "author_kind": "ai",
        "id": "r1",
        "model": "m",
        "time": "2026-01-31T12:00:00+01:00",
        "metadata": {"shop": 7},
        "aspect": "tone",
        "seconds_spent": 3,
    }
    entry = entry_of(row)
    assert entry.prompt == Prompt.of("Hi")
    assert entry.completions == (Completion(entry.prompt.id, "Hello", model="m"),)
    (record,) = entry.feedback
    assert record == Feedback(
        id="r1",
        kind="rating",
        prompt_id=entry.prompt.id,
        completion_ids=(entry.completions[0].id,),
        value={"rating": 4, "scale": [1, 5]},
        author=Author("ana", "ai"),
        time="2026-01-31T11:00:00Z",
        metadata={"shop": 7},
        aspect="tone",
        seconds_spent=3.0,
    )


def test_several_kinds_in_one_object_become_a_record_each():
    entry = entry_of({**RATED, "thumb": True, "comment": "fine", "id": "x"})
    assert [(record.id, record.kind) for record in entry.feedback] == [
        ("x", "rating"),
        ("x/thumb", "thumb"),
        ("x/comment", "comment"),
    ]
    assert entry.feedback[0].metadata == {"beside": ["thumb", "comment"]}
    assert entry.feedback[1].metadata == {}
    assert len(entry.completions) == 1
    assert {record.comment for record in entry.feedback} == {""}


def test_kinds_about_different_texts_may_stand_in_one_object():
    entry = entry_of({"prompt": "Hi", "chosen": "A", "rejected": "B", "completion": "A", "thumb": True})
    assert [record.kind for record in entry.feedback] == ["comparison", "thumb"]
    assert [completion.text for completion in entry.completions] == ["A", "B"]


def test_a_named_kind_keeps_the_comment_as_its_remark():
    (record,) = entry_of({**RATED, "kind": "rating", "comment": "fine"}).feedback
    assert (record.kind, record.comment) == ("rating", "fine")
    (record,) = entry_of({"prompt": "Hi", "completion": "Hello", "kind": "comment", "comment": "fine"}).feedback
    assert (record.kind, record.comment, record.value) == ("comment", "", {"comment": "fine"})


def test_identity_without_an_id_is_that_of_line_and_repetition():
    def ids(digest, before):
        return [record.id for record in to_entry(RATED, (digest, before), Given()).feedback]

    assert ids("a", 0) == ids("a", 0)
    assert len({*ids("a", 0), *ids("a", 1), *ids("b", 0)}) == 3


def test_author_and_source_of_the_file_hold_where_the_row_names_none():
    ana = {"author": Author("ana"), "source": "shop"}
    assert entry_of(RATED, **ana).feedback[0].author == Author("ana")
    assert entry_of(RATED, **ana).feedback[0].source == entry_of(RATED, **ana).prompt.source == "shop"
    named = entry_of({**RATED, "author": "bob", "source": "forum"}, **ana)
    assert (named.feedback[0].author, named.feedback[0].source) == (Author("bob"), "forum")
    assert entry_of({**RATED, "author": ""}, **ana).feedback[0].author == Author()
    assert entry_of({**RATED, "author_kind": "rule"}).feedback[0].author == Author("", "rule")
    assert entry_of(RATED).feedback[0].author == Author()


def test_null_is_absent():
    full = {**RATED, "author": None, "thumb": None, "time": None, "metadata": None, "strength": None, "extra": None}
    assert entry_of(full) == entry_of(RATED)


def test_whole_number_ids_are_their_digits():
    assert entry_of({**RATED, "id": 17}).feedback[0].id == "17"


def test_other_peoples_columns_are_kept_as_metadata():
    (record,) = entry_of({**RATED, "prompt_id": "q7", "score_chosen": 3.5, "metadata": {"a": 1}}).feedback
    assert record.metadata == {"prompt_id": "q7", "score_chosen": 3.5, "a": 1}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "Hi", "completion": "Hello"}, "no feedback in it"),
        ({"prompt": "Hi", "completion": "Hello", "raiting": 4}, "Did you mean 'rating' by 'raiting'"),
        ({**RATED, "autor": "ana"}, "'autor' is unknown. Did you mean 'author'"),
        ({**RATED, "kind": "stars"}, "kind: 'stars' is unknown"),
        ({**RATED, "kind": 3}, "kind: 3 is not text"),
        ({**RATED, "kind": "thumb"}, "rating: no part of a thumb. Leave `kind` out"),
        ({**RATED, "completions": ["a", "b"]}, "completions: no part of a rating"),
        ({**RATED, "id": ""}, "id: empty"),
        ({**RATED, "id": True}, "id: true is not text"),
        ({**RATED, "id": 1.5}, "id: 1.5 is not text"),
        ({**RATED, "author": 3}, "author: 3 is not text"),
        ({**RATED, "author_kind": "cat"}, "author_kind: 'cat' is not one of human, ai, rule"),
        ({**RATED, "time": "2999-01-01T00:00:00Z"}, "in the future"),
        ({**RATED, "metadata": []}, r"metadata: \[\] is not an object"),
        ({**RATED, "colour": 1, "metadata": {"colour": 2}}, "colour: given both beside and inside metadata"),
        ({**RATED, "seconds_spent": -1}, "seconds_spent: -1 is not 0 or more"),
        ({**RATED, "round": 1.5}, "round: 1.5 is not a whole number"),
        ({**RATED, "thumb": True, "supersedes": "x"}, "supersedes: given for 2 kinds at once"),
        ({**RATED, "model": ["a", "b"]}, "model: 2 names for 1 completions"),
        ({**RATED, "completion_extra": [{"colour": 1}]}, r"completion_extra\[0\]: 'colour' is unknown"),
        ({**RATED, "completion_extra": [{}, {}]}, "completion_extra: 2 of them for 1 completions"),
        ({**RATED, "completion_extra": [{"sampling": {"temperature": -1}}]}, "temperature: -1"),
        ({**RATED, "completion_extra": [{"sampling": {"stop": "x"}}]}, "stop: 'x' is not a list"),
        ({**RATED, "completion_extra": [{"finish_reason": "tired"}]}, "finish_reason: 'tired' is not one of"),
        ({**RATED, "prompt_extra": {"split": "dev"}}, "prompt_extra.split: 'dev' is not one of"),
        ({**RATED, "prompt_extra": {"reference": 1}}, "prompt_extra.reference: 1 is not text"),
    ],
)
def test_wrong_rows_are_refused_naming_the_field(row, said):
    with pytest.raises(InputError, match=said):
        entry_of(row)


def test_all_that_is_known_of_sampled_texts_goes_out_and_comes_back_but_tokens():
    prompt = Prompt.of("Hi", reference="Hello", metadata={"asked": 2}, source="reviews", split="test")
    sampling = Sampling(temperature=0.7, top_k=5, stop=("\n",))
    sampled = [
        Completion(prompt.id, text, (1, 2), (-0.5, -0.25), "ck", "m", sampling, FinishReason.LENGTH, "run", 2, index)
        for index, text in enumerate(("A", "B"))
    ]
    record = Feedback("f", "comparison", prompt.id, tuple(each.id for each in sampled), {"chosen": 1})
    entry = entry_of(to_row(Answer(prompt, tuple(sampled), record)))
    assert entry.prompt == prompt
    assert entry.feedback == (record,)
    for before, after in zip(sampled, entry.completions, strict=True):
        assert after.id == before.id
        assert (after.sampling, after.finish_reason, after.token_ids) == (sampling, FinishReason.LENGTH, None)


# ------------------------------------------------------------------------------------------- any record, out and in

words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12).filter(
    str.strip
)
names = words.map(str.strip)
plain_number = st.integers(-50, 50) | st.floats(-50, 50).filter(lambda number: number != int(number))


@st.composite
def values(draw):
    """(kind, texts, value) as `parse` gives them."""
    kind = draw(st.sampled_from(["rating", "thumb", "comparison", "ranking", "comment", "correction", "span"]))
    n = {"comparison": 2, "ranking": draw(st.integers(2, 5))}.get(kind, 1)
    texts = draw(st.lists(words, min_size=n, max_size=n, unique=True))
    if kind == "rating":
        low, high = sorted(draw(st.lists(plain_number, min_size=2, max_size=2, unique=True)))
        return kind, texts, {"rating": draw(st.sampled_from([low, high])), "scale": [low, high]}
    if kind == "thumb":
        return kind, texts, {"thumb": draw(st.booleans())}
    if kind == "comparison":
        strong = {"chosen": 1, "strength": draw(st.integers(1, 3))}
        verdicts = [{"chosen": 0}, strong, {"tie": "good"}, {"tie": "bad", "order": "unknown"}, {"cannot_judge": True}]
        return kind, texts, draw(st.sampled_from([*verdicts, {"chosen": 0, "order": "unknown"}]))
    if kind == "ranking":
        places = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(lambda given: len(set(given)) > 1))
        groups = [[i for i in range(n) if places[i] == place] for place in sorted(set(places))]
        skips = len(groups) > 2 and draw(st.booleans())
        return kind, texts, {"ranking": groups[:-1], "skipped": groups[-1]} if skips else {"ranking": groups}
    if kind == "comment":
        return kind, texts, {"comment": draw(words)}
    if kind == "correction":
        return kind, texts, {"correction": draw(words.filter(lambda other: other != texts[0]))}
    return kind, texts, {"spans": [{"start": 0, "end": len(texts[0]), "label": draw(words), "severity": 2}]}


@st.composite
def answers(draw):
    """A record of any kind with its prompt and completions."""
    kind, texts, value = draw(values())
    turn = st.builds(Message, st.sampled_from(["user", "assistant", "system"]), words)
    prompt = Prompt(
        draw(st.lists(turn, max_size=3).map(tuple)),
        metadata=draw(st.dictionaries(names, plain_number, max_size=2)),
        source=draw(st.just("") | names),
    )
    models = draw(st.lists(st.none() | names, min_size=len(texts), max_size=len(texts)))
    shown = tuple(Completion(prompt.id, text, model=model) for text, model in zip(texts, models, strict=True))
    record = Feedback(
        id=draw(names),
        kind=kind,
        prompt_id=prompt.id,
        completion_ids=tuple(each.id for each in shown),
        value=value,
        author=Author(draw(st.just("") | names), draw(st.sampled_from(["human", "ai", "rule"]))),
        aspect=draw(st.just("") | names),
        comment=draw(st.just("") | words) if kind != "comment" else "",
        time=draw(st.sampled_from(["", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.25+00:00"])),
        seconds_spent=draw(st.none() | st.sampled_from([0.0, 2.5])),
        exposure=draw(st.dictionaries(names, names, max_size=1)),
        source=draw(st.just("") | names),
        round=draw(st.integers(0, 3)),
        metadata=draw(st.dictionaries(names, plain_number | st.booleans() | names, max_size=2)),
    )
    return Answer(prompt, shown, record)


@settings(max_examples=150, deadline=None)
@given(answer=answers())
def test_every_record_survives_its_way_out_and_in(answer):
    entry = entry_of(to_row(answer))
    assert check(entry)
    assert entry.prompt == answer.prompt
    assert entry.completions == answer.completions
    assert entry.feedback == (answer.feedback,)
    assert to_row(next(answers_of(entry))) == to_row(answer)


# ------------------------------------------------------------------------------------------------------------- nonsense

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
GOOD = {
    **RATED,
    "thumb": True,
    "chosen": "A",
    "rejected": "B",
    "completions": ["A", "B", "C"],
    "ranking": [0, 1, 2],
    "comment": "c",
    "correction": "d",
    "spans": [{"start": 0, "end": 1, "label": "x"}],
    "author": "ana",
    "id": "i",
    "model": "m",
    "time": "2026-01-31T12:00:00Z",
    "metadata": {},
    "aspect": "tone",
    "prompt_extra": {},
    "completion_extra": [],
}


@settings(max_examples=200, deadline=None)
@given(
    row=st.dictionaries(
        st.sampled_from([*GOOD, "kind", "tie", "skipped", "author_kind", "label"]), json_values, max_size=3
    ),
    kept=st.sets(st.sampled_from(list(GOOD))),
)
def test_any_values_in_any_field_are_stored_or_refused_never_a_crash(row, kept):
    mixed = {**{field: GOOD[field] for field in kept}, **row}
    found = stored_or_refused(mixed)
    assert isinstance(found, str) or found.feedback
    assert found


def stored_or_refused(row):
    """The entry, or the reason why there is none."""
    try:
        entry = entry_of(row)
        check(entry)
    except InputError as error:
        return str(error)
    return entry
