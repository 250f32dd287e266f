"""Children wait for their turn, one works at a time, and one that dies is told with its last words."""

import contextlib
import itertools
import sys
from pathlib import Path

import pytest

from burnish.bench import drive
from burnish.bench.drive import Child, alternate
from burnish.errors import InputError

COMMAND = (sys.executable, str(Path(__file__).parent / "fake_child.py"))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(drive, "SETTLE_SECONDS", 0.0)


def test_sides_work_in_turn_and_never_at_once():
    seen = []
    with contextlib.closing(Child("one", COMMAND, {})) as one, contextlib.closing(Child("two", COMMAND, {})) as two:
        children = {"one": one, "two": two}
        turns = [{"shape": "a"}, {"shape": "b"}, {"shape": "a"}]
        found = alternate(children, turns, done=lambda name, _: seen.append(name))
    assert seen == ["one", "two"] * 3
    assert [each["turn"] for each in found["one"]] == turns
    spans = sorted((each["began"], each["ended"]) for steps in found.values() for each in steps)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    assert all(each["peak_memory_gib"] > 0 for each in found["two"])


def test_a_child_says_what_it_is_and_ends_when_closed():
    child = Child("one", COMMAND, {})
    assert child.facts["ready"] is True
    assert child.facts["threads"] == 1
    child.close()
    assert child.process.poll() is not None


def test_a_child_that_cannot_load_is_told_with_its_last_words():
    with pytest.raises(InputError, match=r"(?s)one ended with status 1.*the model is not there"):
        Child("one", COMMAND, {"dies": "loading"})


def test_a_child_that_dies_at_work_is_told_too():
    with contextlib.closing(Child("one", COMMAND, {"dies": "working"})) as child:
        with pytest.raises(InputError, match=r"(?s)one ended.*out of luck"):
            child.ask({})
        with pytest.raises(InputError, match="one ended"):
            child.ask({})
