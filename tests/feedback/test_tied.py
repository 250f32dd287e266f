"""Ties as an answer of their own, from answers to preferences."""

import pytest

from burnish.errors import InputError
from burnish.feedback import tied, votes
from burnish.feedback.answers import Answer, SignalConfig
from burnish.records import Author, Completion, Feedback, Prompt

DAVIDSON = SignalConfig(ties="davidson")


def said(prompt, first, second, value, number):
    asked = Prompt.of(prompt)
    texts = (Completion(asked.id, first), Completion(asked.id, second))
    record = Feedback(f"f{number}", "comparison", asked.id, tuple(each.id for each in texts), value, Author(""))
    return Answer(asked, texts, record)


def answers(*given):
    """`given`: (prompt, how often A was chosen, how often the two were tied, how often B was)."""
    made = []
    for prompt, won, even, lost in given:
        for value, times in (({"chosen": 0}, won), ({"tie": "good"}, even), ({"chosen": 1}, lost)):
            made += [said(prompt, "A", "B", value, len(made) + n) for n in range(times)]
    return made


def probability(given, prompt, config):
    (found,) = [each for each in votes.preferences(given, config) if each.prompt.text == prompt]
    return found.probability if found.chosen.text == "A" else 1 - found.probability


def test_where_ties_are_rare_a_tie_says_more_than_half_a_vote():
    # nobody ties unequal texts here, so whoever ties says: they are equal
    given = answers(*((f"clear {n}", 9, 0, 0) for n in range(20)), ("asked", 2, 4, 0))
    assert probability(given, "asked", DAVIDSON) < probability(given, "asked", SignalConfig())


@pytest.mark.parametrize("ties", ["davidson", "rao_kupper"])
def test_probabilities_come_with_a_variance_and_ties_stay_ties(ties):
    given = answers(("one", 3, 1, 0), ("two", 2, 2, 2))
    found = votes.preferences(given, SignalConfig(ties=ties))
    assert [each.ranks for each in found] == [(0, 1), (0, 0)]
    assert 0.5 < found[0].probability < 1
    assert all(each.variance > 0 for each in found)


@pytest.mark.parametrize("given", [answers(("one", 3, 0, 1)), answers(("one", 0, 4, 0))])
def test_without_a_tie_or_with_nothing_else_a_tie_is_half_a_vote_and_that_is_said(given, capsys):
    assert votes.preferences(given, DAVIDSON) == votes.preferences(given, SignalConfig())
    assert "a tie is half a vote here" in capsys.readouterr().err
    with pytest.raises(InputError, match="nothing tells how ties fall with the gap"):
        tied.fit_one(given, DAVIDSON)


def test_a_slight_preference_is_a_part_of_a_win():
    slight = [said("one", "A", "B", {"chosen": 0, "strength": 1}, n) for n in range(6)]
    full = [said("one", "A", "B", {"chosen": 0}, n) for n in range(6)]
    others = answers(("two", 2, 2, 2))
    assert 0.5 < probability(slight + others, "one", DAVIDSON) < probability(full + others, "one", DAVIDSON)


def test_weighing_people_and_a_model_of_ties_are_not_had_together():
    with pytest.raises(InputError, match=r'ties: davidson has all people count alike. Use people="plain"'):
        SignalConfig(people="annotators", ties="davidson")
    with pytest.raises(InputError, match=r"signals.ties: 'elo' is unknown"):
        SignalConfig(ties="elo")
