"""How what people said becomes signals, as settings."""

import json

import pytest

from burnish.errors import InputError
from burnish.loop import evidence
from burnish.loop.heard import Heard
from burnish.loop.material import signals_of
from burnish.loop.recipe import RewardSettings


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
