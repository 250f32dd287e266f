"""A judge's soft label, from its log-probs to the probability of a preference."""

import math

import pytest

from burnish.feedback import crowd
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.signals import signals_from
from burnish.judges.asking.asker import Asker
from burnish.judges.comparison import Comparison
from burnish.models.scripted import Scripted
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry


def test_how_sure_a_judge_was_is_the_share_of_its_vote():
    def prefer(question, options):
        first_shown = question.messages[1].content.index("good") < question.messages[1].content.index("bad text")
        sure = math.log(0.8) - math.log(0.2)
        return {options[0]: sure, options[1]: 0.0} if first_shown else {options[0]: 0.0, options[1]: sure}

    prompt = Prompt.of("q")
    pair = (Completion(prompt.id, "good"), Completion(prompt.id, "bad text"))
    judge = Comparison(Asker(Scripted(lambda question, seed: "", prefer)), criterion="which is better")
    (said,) = judge.judge([prompt], [pair])
    assert said.metadata["probability"] == pytest.approx(0.8)
    (signal,) = signals_from([Entry(prompt, pair, (said,))])
    assert signal.chosen.text == "good"
    # Beta(1 + 0.8, 1 + 0.2): a full vote would have made 2/3
    assert signal.probability == pytest.approx(1.8 / 3)


def say(prompt, pair, value, metadata, author="m", both=True):
    """One judge's stored comparison."""
    ids = tuple(completion.id for completion in pair)
    exposure = {"orders": "both"} if both else {}
    name = f"{author}-{prompt.id}"
    return Feedback(
        name, "comparison", prompt.id, ids, value, Author(author, "ai"), metadata=metadata, exposure=exposure
    )


def probability_of(value, metadata):
    prompt = Prompt.of("q")
    pair = (Completion(prompt.id, "good"), Completion(prompt.id, "bad text"))
    found = signals_from([Entry(prompt, pair, (say(prompt, pair, value, metadata),))])
    return [signal.probability for signal in found]


def test_a_judge_by_words_by_repeats_or_as_a_panel_is_as_sure_as_it_says():
    for by in ({"by": "words"}, {"rounds": 6}, {"members": {}}, {"principles": {}}):
        # Beta(1 + 0.55, 1 + 0.45): a full vote would have made 2/3
        assert probability_of({"chosen": 0}, {"probability": 0.55, **by}) == [pytest.approx(1.55 / 3)], by
    # what it answered counts, and not what a prior makes of it: three of three is a full vote
    assert probability_of({"chosen": 0}, {"probability": 0.8, "share": 1.0}) == [pytest.approx(2 / 3)]
    assert probability_of({"cannot_judge": True}, {"probability": 0.55}) == []


def both_orders(number, share, decided, author="m"):
    """One prompt's pair, judged by a judge and by two people who agree."""
    prompt = Prompt.of(f"question {number}")
    pair = (Completion(prompt.id, "better"), Completion(prompt.id, "worse"))
    value = {"chosen": 0 if share > 0.5 else 1} if decided else {"cannot_judge": True}
    records = [say(prompt, pair, value, {"probability": share, "share": share}, author)]
    for person in ("ana", "bo"):
        shown = pair if number % 2 else pair[::-1]
        ids = tuple(completion.id for completion in shown)
        chosen = {"chosen": int(shown[0].text != "better")}
        records.append(Feedback(f"{number}-{person}", "comparison", prompt.id, ids, chosen, Author(person)))
    return [Answer(prompt, pair if record.author.kind == "ai" else shown, record) for record in records]


def test_a_judge_asked_in_both_orders_has_no_left_side():
    answers = [each for number in range(40) for each in both_orders(number, 0.7 if number % 3 else 0.4, True)]
    found = crowd.fit(answers, SignalConfig(people="annotators"))[""]
    judge = found.people.index(Author("m", "ai"))
    assert not found.votes.sided_V[found.votes.person_V == judge].any()
    assert found.votes.sided_V[found.votes.person_V != judge].all()


def test_orders_that_disagree_show_how_little_a_judge_sees():
    """It decided 4 of 40 pairs, rightly: without the other 36 it would pass for somebody who sees well."""
    answers = [each for number in range(40) for each in both_orders(number, 1.0 if number < 4 else 0.5, number < 4)]
    found = crowd.fit(answers, SignalConfig(people="annotators"))[""]
    judge = found.people.index(Author("m", "ai"))
    assert (found.votes.person_V == judge).sum() == 40
    assert found.found.slope_K[judge] < 0.5 * found.found.slope_K[1 - judge]
