"""A study as TOML is the study; what is wrong with one is named, and items come out of every source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.records import Completion, Prompt
from burnish.store import Entry, Store, read_objects
from burnish.studio import sources
from burnish.studio.study import Example, Question, Source, Study
from burnish.studio.study_file import from_toml, to_toml

WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1).filter(str.strip)
QUESTIONS = st.builds(
    Question,
    name=st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
    kind=st.sampled_from(("rating", "rubric", "comparison", "comment")),
    text=WORDS,
    anchors=st.dictionaries(st.integers(1, 5), WORDS).map(lambda found: tuple(sorted(found.items()))),
    criteria=st.dictionaries(WORDS, WORDS, min_size=1).map(lambda found: tuple(found.items())),
    labels=st.lists(WORDS, unique=True).map(tuple),
    strength=st.booleans(),
)
STUDIES = st.builds(
    Study,
    name=st.from_regex(r"[a-z0-9][a-z0-9-]{0,9}", fullmatch=True),
    title=WORDS,
    questions=st.lists(QUESTIONS, min_size=1, max_size=3, unique_by=lambda each: each.name).map(tuple),
    guidelines=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r")),
    overlap=st.integers(1, 9),
    anchor_share=st.floats(0, 0.5),
    lock_minutes=st.floats(0.1, 1e3),
    people=st.lists(WORDS).map(tuple),
    source=st.builds(Source, items=st.integers(1, 10), seed=st.integers(-(2**40), 2**40)),
)


@given(STUDIES)
@settings(max_examples=40, deadline=None)
def test_a_study_written_and_read_is_the_study(study: Study) -> None:
    assert from_toml(to_toml(study)) == study


def test_examples_keep_their_answers() -> None:
    asked = (Question("q", "rating", "Good?"),)
    example = Example("p", ("a\nb", 'c"d'), {"q": [{"rating": 3}, {"cannot_judge": True}]}, "Why\\not.")
    study = Study("s", "S", asked, examples=(example,))
    assert from_toml(to_toml(study)) == study


GOOD = 'name = "s"\ntitle = "S"\n[[questions]]\nname = "q"\nkind = "rating"\ntext = "Good?"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= 1", "this is no TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "study"),
        ('name = "s"', "study.title: missing"),
        (GOOD.replace('"rating"', '"ratings"'), "kind: 'ratings' is unknown. Did you mean 'rating'"),
        ("overlapp = 2\n" + GOOD, "overlapp: 'overlapp' is unknown. Did you mean 'overlap'"),
        ("overlap = true\n" + GOOD, "overlap: True is not a whole number"),
        ("overlap = 0\n" + GOOD, "overlap: 0 is not between"),
        ("anchor_share = nan\n" + GOOD, "not a share"),
        ("anchor_share = 0.6\ngold_share = 0.6\n" + GOOD, "leaves no room"),
        (GOOD + "scale = [5, 1]", "not a lowest and a higher grade"),
        (GOOD + 'anchors = { 9 = "x" }', "9 is outside the scale"),
        (GOOD + 'anchors = { one = "x" }', "'one' is no grade"),
        (GOOD.replace('"rating"', '"rubric"'), "a rubric needs some"),
        (GOOD + GOOD[GOOD.index("[[") :], "each named once"),
        (GOOD + '[source]\nkind = "models"\nmodels = ["a"]', "two are put side by side"),
        ('skip_reasons = [""]\n' + GOOD, "always says why"),
    ],
)
def test_what_is_wrong_with_a_study_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=r"(?s)^study.*") as caught:
        from_toml(text)
    assert message in str(caught.value)


# ------------------------------------------------------------------------------------------------------------- sources


PAIR = Study("s", "S", (Question("q", "comparison", "Which?"),))


def drawn(tmp_path: Path, study: Study, *rows: Any) -> list[Any]:
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return list(sources.from_lines(read_objects(path), study))


def test_items_come_in_every_shape_of_a_feedback_file(tmp_path: Path, store: Store) -> None:
    store.studies.save("s", to_toml(PAIR), overlap=2, by="olga", now_ms=1)
    rows = [
        {"prompt": "1", "completions": ["a", "b"], "ranking": [0, 1]},
        {"prompt": "2", "chosen": "a", "rejected": "b", "model": ["m", "n"]},
        {"prompt": "3", "completion": "a"},
        {
            "prompt": [{"role": "user", "content": "4"}],
            "chosen": [{"role": "assistant", "content": "a"}],
            "rejected": "b",
        },
        {"prompt": "3", "completion": "b"},
        {"prompt": "5", "completion": "alone"},
        {"prompt": "6", "completions": ["a", "a"]},
        {"prompt": "7", "completions": ["a", "b", "c"]},
        {"prompt": "8", "completions": ["a", "b"], "role": "gold"},
        {"prompt": "9", "completions": ["a", "b"], "role": "gold", "expected": {"q": {"chosen": 5}}},
        {"prompt": "10", "completions": ["a", "b"], "role": "gold", "expected": {"q": {"chosen": 0}}},
    ]
    made = sources.add(store, PAIR, drawn(tmp_path, PAIR, *rows))
    assert (made.added, made.refused) == (5, 5)
    told = " ".join(made.problems)
    for reason in ("too few", "stands twice", "3 completions", 'needs "expected"', "from 0 to 1"):
        assert reason in told
    assert [item.role for item in store.studies.items("s")] == ["item", "item", "item", "item", "gold"]
    assert store.stats()["records"] == 0  # feedback in a file of items is passed over


def test_a_file_outside_the_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "secret.jsonl").write_text("{}")
    (here / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (here / "own.jsonl").write_text("{}")
    monkeypatch.chdir(here)
    assert sources.below_here("own.jsonl") == here / "own.jsonl"
    for path in ("../secret.jsonl", str(tmp_path / "secret.jsonl"), "link.jsonl", "", ".", "a\0b"):
        with pytest.raises(InputError, match="no file below"):
            sources.below_here(path)


def test_what_was_served_becomes_items(store: Store) -> None:
    prompt = Prompt.of("Hello?")
    texts = [Completion(prompt.id, text, run="studio:play") for text in ("Hi.", "Hey.")]
    list(store.submit_many([Entry(prompt, (*texts, Completion(prompt.id, "Not served.")))]))
    study = Study("s", "S", PAIR.questions, source=Source("served"))
    (item,) = sources.drawn_from(store, study)
    assert isinstance(item, sources.Drawn)
    assert [each.text for each in item.completions] == ["Hi.", "Hey."]


def test_a_task_brings_its_own_texts(store: Store) -> None:
    study = Study("s", "S", (Question("q", "rating", "Good?"),), source=Source("task", task="smoke", items=3))
    found = list(sources.drawn_from(store, study))
    assert len(found) == 3
    with pytest.raises(InputError, match="task: 'nothing' is unknown"):
        list(sources.drawn_from(store, Study("s", "S", PAIR.questions, source=Source("task", task="nothing"))))
