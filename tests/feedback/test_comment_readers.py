"""Readings of comments by others than the rules: measured, kept, and put in the rules' place."""

import json

import pytest

from burnish.errors import InputError
from burnish.feedback import comment_readers as readers
from burnish.feedback.answers import SignalConfig
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import signals_from
from burnish.feedback.words.reading import Estimate, read

CONFIG = SignalConfig()
WORTH = {"blip": 5, "blop": 3, "blap": 1}
"""Words that no rule knows, and the grade that goes with each."""


def entries(n=120):
    rows = (
        {"prompt": f"q{number}", "completion": f"text {number}", "comment": f"zorgy {word}", "author": "ana"}
        | {"kind": "rating", "rating": WORTH[word], "scale": [1, 5]}
        for number in range(n)
        for word in [list(WORTH)[number % 3]]
    )
    return [to_entry(row, ("file", number), Given()) for number, row in enumerate(rows)]


def test_comments_beside_grades_are_split_by_prompt():
    comments = readers.comments_in(entries())
    learnt, held = readers.split(comments)
    assert len(learnt) + len(held) == len(comments) == 120
    assert 0.2 < len(held) / 120 < 0.4
    assert not {each.prompt.id for each in learnt} & {each.prompt.id for each in held}
    assert {readers.grade_of(each) for each in held} == {-4.0, 0.0, 4.0}


def test_a_scorer_learns_words_that_no_rule_knows_and_is_measured_on_others():
    learnt, held = readers.split(readers.comments_in(entries()))
    found = readers.measure("learned", readers.by_learning(learnt, CONFIG)(held), held, CONFIG)
    assert found.compared.model < found.compared.rules / 2
    assert found.compared.gain.low > 0
    assert found.rank.mean > 0.9


def test_readings_kept_in_a_file_stand_in_for_the_rules(tmp_path):
    given = entries()
    comments = readers.comments_in(given)
    readings = readers.by_learning(readers.split(comments)[0], CONFIG)(comments)
    path = tmp_path / "readings.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in readers.rows_of(comments, readings, "learned")), "utf-8")
    loaded = readers.load(path)
    assert list(loaded.values()) == readings
    # somebody who gave no grade: the rules can make nothing of the words, the scorer can
    row = {"prompt": "new", "completion": "text", "comment": "zorgy blap", "author": "bo", "id": "new"}
    new = to_entry(row, ("file", 999), Given())
    (comment,) = readers.comments_in([new])
    taken = SignalConfig(readings={comment.feedback.id: loaded[comments[2].feedback.id]})
    assert not [each for each in signals_from([new]) if hasattr(each, "value")]
    (score,) = [each for each in signals_from([new], taken) if hasattr(each, "value")]
    assert score.value < -1


def test_a_model_has_the_variance_that_it_proves_to_have():
    comments = readers.comments_in(entries(30))
    off_by_two = [
        read("good") and _valued(readers.grade_of(each) + (2 if number % 2 else -2))
        for number, each in enumerate(comments)
    ]
    assert {each.whole.variance for each in readers.stated(off_by_two, comments)} == {4.0}
    assert readers.stated(off_by_two[:5], comments[:5]) == off_by_two[:5]


def _valued(value):
    reading = read("good")
    return type(reading)(reading.comment, reading.said, Estimate(value, 1.5))


def test_too_few_and_broken_lines_are_told(tmp_path):
    held = readers.comments_in(entries(2))
    with pytest.raises(InputError, match="2 graded comments are held out, and 10 are the least"):
        readers.measure("rules", readers.by_rules(CONFIG)(held), held, CONFIG)
    path = tmp_path / "readings.jsonl"
    path.write_text('{"feedback_id": "f_1"}\n')
    with pytest.raises(InputError, match="line 1: no reading of a comment"):
        readers.load(path)
    with pytest.raises(InputError, match="there is no such file"):
        readers.load(tmp_path / "none")
