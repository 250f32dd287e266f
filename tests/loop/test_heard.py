"""How what people said becomes signals, as settings."""

import json

import pytest

from burnish.errors import InputError
from burnish.loop import evidence
from burnish.loop.heard import Heard
from burnish.loop.material import signals_of
from burnish.loop.recipe import RewardSettings
from burnish.records import Score


@pytest.fixture
def feedback(tmp_path):
    rows = []
    for number in range(40):
        text = {"prompt": f"q{number}", "completion": f"text {number}"}
        rows += [{**text, "click": number % 2 == 0}, {**text, "rating": 1 + number % 5, "scale": [1, 5]}]
        rows.append({**text, "comment": "Where did you get this? No citation anywhere, which is bad."})
    path = tmp_path / "said.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return str(path)


def aspects(signals):
    return {signal.aspect for signal in signals}


def test_behaviour_and_own_aspects_are_heard_where_they_are_asked_for(feedback):
    plain = aspects(signals_of(feedback, None))
    heard = Heard(behaviour=True, aspects=("sources: citation cite",))
    assert not {"click", "sources"} & plain
    assert {"click", "sources"} <= aspects(signals_of(feedback, None, heard.config()))


def test_a_run_learns_the_behaviour_that_it_is_told_to(feedback):
    settings = RewardSettings(behaviour=True, aspect="click")
    found = evidence.bring(feedback, aspect=settings.aspect, heard=settings.heard())
    assert {signal.aspect for signal in found.evidence.fit} == {"click"}
    with pytest.raises(InputError, match="it speaks of these aspects: none"):
        evidence.bring(feedback, aspect="click")


def test_an_aspect_without_words_is_refused():
    for made in (Heard, RewardSettings):
        with pytest.raises(InputError, match="aspects: 'tone' names no words"):
            made(aspects=("tone",))


def test_ties_and_corrections_are_heard_as_they_are_asked_for(tmp_path):
    rows = [
        *({"prompt": "q", "chosen": "a", "rejected": "b", "author": f"p{n}"} for n in range(3)),
        {"prompt": "q", "chosen": "a", "rejected": "b", "tie": "good", "author": "p9"},
        {"prompt": "r", "completion": "one two three four", "correction": "one two three five", "author": "ana"},
    ]
    path = tmp_path / "said.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    plain = signals_of(str(path), None, Heard().config())
    told = signals_of(str(path), None, Heard(ties="davidson", corrections="graded").config())
    probability = [next(s.probability for s in found if getattr(s, "probability", None)) for found in (plain, told)]
    assert probability[0] != probability[1]
    assert "correction" not in aspects([s for s in plain if isinstance(s, Score)])
    (graded,) = [s for s in told if isinstance(s, Score) and s.aspect == "correction"]
    assert (graded.value, graded.reason) == (2.0, "75% of the words stayed")  # of a scale from -4 to 4
    assert graded.variance > 0


def test_readings_that_are_not_there_are_refused_when_they_are_asked_for():
    with pytest.raises(InputError, match="no such file"):
        Heard(readings="none.jsonl").config()
    with pytest.raises(InputError, match="no such file"):
        RewardSettings(readings="none.jsonl").heard()
