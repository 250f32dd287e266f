import json

import numpy as np
import pytest

from burnish.feedback.answers import Answer
from burnish.feedback.label_doctor import contradictions, examine, length_bias
from burnish.feedback.suspects import suspects
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry

GOOD, BAD = "a lovely warm and bright little thing", "a broken dull and useless little thing"


def answer(prompt, texts, kind, value, author="ana", name=None, **more):
    ids = tuple(text.id for text in texts)
    name = name or f"{kind}-{author}-{'-'.join(ids)}"
    return Answer(prompt, tuple(texts), Feedback(name, kind, prompt.id, ids, value, Author(author), **more))


def pairs(people, flips=(), n=40):
    """Pairs of a text with good words and one with bad; everybody sees it, but for the planted flips."""
    given = []
    for number in range(n):
        prompt = Prompt.of(f"about thing {number}")
        texts = [Completion(prompt.id, f"{words} number {number}") for words in (GOOD, BAD)][:: (-1) ** number]
        for person in people:
            right = number % 2
            chosen = 1 - right if (number, person) in flips else right
            given.append(answer(prompt, texts, "comparison", {"chosen": chosen}, person, f"{number}-{person}"))
    return given


# ------------------------------------------------------------------------------------------------------ wrong labels


def test_a_flipped_vote_is_first_by_what_others_say():
    found = suspects(pairs(("ana", "bo", "cy"), flips={(7, "bo")}))
    assert found[0].feedback_id == "7-bo"
    assert found[0].chance_wrong > 0.5 > 10 * found[1].chance_wrong
    assert found[0].others < 0.3
    assert found[0].said == "the first is better"


def test_where_nobody_else_answered_the_words_judge():
    found = suspects(pairs(("ana",), flips={(7, "ana"), (23, "ana")}, n=120))
    assert {each.feedback_id for each in found[:2]} == {"7-ana", "23-ana"}
    assert found[0].margin < 0 < found[-1].margin
    assert found[0].others is None


@pytest.mark.parametrize("kind", ["rating", "thumb"])
def test_ratings_and_thumbs_given_the_wrong_way_round(kind):
    generator = np.random.default_rng(0)
    given = []
    for number in range(60):
        prompt, good = Prompt.of(str(number)), number % 2 == 0
        text = Completion(prompt.id, f"{GOOD if good else BAD} number {number}")
        for person in ("ana", "bo", "cy"):
            says = good != ((number, person) == (10, "bo"))
            rating = {
                "rating": int((5 if says else 1) + generator.integers(0, 2) * (-1 if says else 1)),
                "scale": [1, 5],
            }
            value = rating if kind == "rating" else {"thumb": bool(says)}
            given.append(answer(prompt, [text], kind, value, person, f"{number}-{person}"))
    found = suspects(given)
    assert found[0].feedback_id == "10-bo"
    assert found[0].chance_wrong > 0.75
    assert found[0].chance_wrong > 1.4 * found[1].chance_wrong
    assert len(found) == 180


def test_who_is_strict_but_puts_all_in_the_same_order_is_wrong_no_more_often():
    generator = np.random.default_rng(0)
    given = []
    for number in range(60):
        prompt = Prompt.of(str(number))
        text, good = Completion(prompt.id, f"a plain little thing number {number}"), generator.normal(6, 1.2)
        for person, off in (("ana", 0.0), ("bo", 0.0), ("strict", -3.0)):
            rating = int(np.clip(round(good + off + generator.normal(0, 0.5)), 1, 10))
            given.append(answer(prompt, [text], "rating", {"rating": rating, "scale": [1, 10]}, person))
    wrong = dict.fromkeys(("ana", "bo", "strict"), 0.0)
    for each in suspects(given):
        wrong[each.author] += each.chance_wrong
    assert wrong["strict"] < 1.5 * (wrong["ana"] + wrong["bo"]) / 2


def test_a_person_who_is_always_against_clear_cases_is_suspected_throughout():
    flips = {(number, "di") for number in range(40)}
    found = suspects(pairs(("ana", "bo", "cy", "di"), flips=flips))
    assert {each.author for each in found[:40]} == {"di"}


# ---------------------------------------------------------------------------------------------------- contradictions


def test_one_person_two_answers_a_circle_and_ratings_against_a_choice():
    prompt = Prompt.of("q")
    a, b, c = (Completion(prompt.id, text) for text in "abc")

    def rate(text, rating):
        return answer(prompt, [text], "rating", {"rating": rating, "scale": [1, 5]})

    circle = [
        answer(prompt, [a, b], "comparison", {"chosen": 0}, name="ab"),
        answer(prompt, [b, c], "comparison", {"chosen": 0}, name="bc"),
        answer(prompt, [c, a], "comparison", {"chosen": 0}, name="ca"),
    ]
    found = {each.what: each for each in contradictions(circle)}
    assert set(found) == {"circle"}
    assert set(found["circle"].feedback_ids) == {"ab", "bc", "ca"}
    assert list(contradictions(circle[:2])) == []
    assert [each.what for each in contradictions([circle[0], rate(a, 1), rate(b, 5)])] == ["rating against choice"]
    assert list(contradictions([circle[0], rate(a, 5), rate(b, 1)])) == []
    turned = answer(prompt, [b, a], "comparison", {"chosen": 0}, name="ba")
    assert [each.feedback_ids for each in contradictions([circle[0], turned])] == [("ab", "ba")]
    same = answer(prompt, [b, a], "comparison", {"chosen": 1}, name="ba")
    assert list(contradictions([circle[0], same])) == []


def test_anonymous_people_cannot_contradict_themselves():
    prompt = Prompt.of("q")
    a, b = (Completion(prompt.id, text) for text in "ab")
    said = [answer(prompt, [a, b], "comparison", {"chosen": n}, author="", name=str(n)) for n in (0, 1)]
    assert list(contradictions(said)) == []


# --------------------------------------------------------------------------------------------- duplicates and length


def test_the_whole_examination():
    sentence = "The battery of this little lamp lasts for weeks and weeks on end."
    entries = []
    for number, split in enumerate(("train", "test", "train")):
        prompt = Prompt.of(f"Write a line about the lamp, please, number {number * 7}.", split=split)
        text = Completion(prompt.id, sentence if number < 2 else "Something else altogether, of quite another kind.")
        rating = {"rating": 3, "scale": [1, 5]}
        said = Feedback(str(number), "rating", prompt.id, (text.id,), rating, Author("ana"))
        gold = Feedback(f"g{number}", "rating", prompt.id, (text.id,), rating, metadata={"gold": True})
        entries.append(Entry(prompt, (text,), (said, gold)))
    found = examine(entries)
    assert found.labels == 3
    (leak,) = [each for each in found.leaks if each.what == "completion"]
    assert leak.splits == ("train", "test")
    assert leak.similarity == 1.0
    assert {each.what for each in found.twins} == {"prompt", "completion"}
    assert found.suspects == ()
    plain = json.loads(json.dumps(found.to_plain()))
    assert plain["leaks"][0]["similarity"] > 0.8
    assert plain["length"] == {"longer_wins": None, "rating_correlation": None}


def test_length_that_pays_is_seen():
    generator = np.random.default_rng(0)
    given = []
    for number in range(40):
        prompt = Prompt.of(str(number))
        long, short = Completion(prompt.id, "word " * 20), Completion(prompt.id, "word")
        chosen = int(generator.random() < 0.2)
        given.append(answer(prompt, [long, short], "comparison", {"chosen": chosen}))
        words = Completion(prompt.id, "word " * (number + 1))
        given.append(answer(prompt, [words], "rating", {"rating": number, "scale": [0, 40]}, name=str(number)))
    found = length_bias(given)
    assert found.longer_wins.low > 0.5
    assert found.rating_correlation.mean == pytest.approx(1.0)
    assert length_bias([]).longer_wins is None
