import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from burnish.feedback.people import Manner, people
from burnish.feedback.person import Estimate, Person, Share
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry

SLOPES = {"ana": 2.0, "bo": 2.0, "cy": 2.0, "guess": 0.0, "contrary": -2.0, "lefty": 0.0}


@pytest.fixture(scope="module")
def entries():
    """Six people compare 90 pairs; ten have a known answer, ten are asked twice; the guesser is fast and copies."""
    generator = np.random.default_rng(0)
    made = []
    for number in range(90):
        prompt = Prompt.of(f"question {number}")
        gap = generator.normal() * 2
        texts = tuple(Completion(prompt.id, f"answer {number} {side} " + "and so on " * 5) for side in "ab")
        records = []
        for person, slope in SLOPES.items():
            for again in range(2 if number < 10 else 1):
                level = slope * gap + (2.5 if person == "lefty" else 0)
                said = {"chosen": int(generator.random() >= expit(level))}
                hurried = person == "guess"
                records.append(
                    Feedback(
                        f"{number}-{person}-{again}",
                        "comparison",
                        prompt.id,
                        tuple(text.id for text in texts),
                        said,
                        Author(person),
                        time=f"2026-01-01T{10 + again}:{number // 60:02}:{number % 60:02}Z",
                        seconds_spent=0.5 if hurried else 9.0,
                    )
                )
        if number < 10:
            known = {"chosen": int(gap < 0)}
            ids = tuple(text.id for text in texts)
            records.append(Feedback(f"{number}-gold", "comparison", prompt.id, ids, known, metadata={"gold": True}))
        made.append(Entry(prompt, texts, tuple(records)))
    prompt = Prompt.of("comments")
    text = Completion(prompt.id, "a completion")
    remarks = {
        "ana": "It never says what the lamp costs, and it should.",
        "bo": "Too long by half, and a bit smug too.",
    }
    remarks["guess"] = remarks["ana"]
    records = tuple(
        Feedback(
            f"c-{who}",
            "comment",
            prompt.id,
            (text.id,),
            {"comment": said},
            Author(who),
            time=f"2026-01-0{2 + place}T00:00:00Z",
        )
        for place, (who, said) in enumerate(remarks.items())
    )
    return [*made, Entry(prompt, (text,), records)]


@pytest.fixture(scope="module")
def found(entries):
    return {person.author.id: person for person in people(entries).people}


def test_the_careless_the_contrary_and_the_one_sided_are_told_apart(found):
    assert {name: person.manner for name, person in found.items()} == {
        "ana": Manner.CAREFUL,
        "bo": Manner.CAREFUL,
        "cy": Manner.CAREFUL,
        "guess": Manner.CARELESS,
        "contrary": Manner.ADVERSARIAL,
        "lefty": Manner.ONE_SIDED,
    }
    assert found["ana"].with_others.hits > 0.75 * found["ana"].with_others.of
    assert found["contrary"].with_others.hits < 0.3 * found["contrary"].with_others.of


def test_figures_that_need_no_model(found):
    assert found["ana"].gold.of == found["contrary"].gold.of == 10
    assert found["ana"].gold.hits > 5 > found["contrary"].gold.hits
    assert found["ana"].same_again.of == 10
    assert found["ana"].same_again.hits >= 6
    assert (found["guess"].hurried, found["ana"].hurried) == (1.0, 0.0)
    assert found["guess"].seconds == 0.5
    assert found["guess"].copied.hits == 1
    assert found["ana"].copied.hits == found["bo"].copied.hits == 0
    assert found["ana"].run == ""


def test_gold_is_nobodys_own_answer(entries, found):
    assert "" not in found
    assert sum(found["ana"].by_kind.values()) == 101


def test_the_report_is_plain_json(entries, found):
    plain = json.loads(json.dumps([person.to_plain() for person in found.values()]))
    assert {each["author"]["id"]: each["manner"] for each in plain}["lefty"] == "one-sided"
    report = people(entries)
    assert report.by_manner[Manner.CAREFUL] == 3
    assert report.notes == ()


def test_somebody_who_always_gives_the_same_grade_and_somebody_strict():
    generator = np.random.default_rng(1)
    made = []
    for number in range(60):
        prompt = Prompt.of(str(number))
        text = Completion(prompt.id, "text")
        grade = int(generator.integers(1, 6))
        said = {"ana": grade, "bo": grade, "strict": max(1, grade - 2), "same": 3}
        records = tuple(
            Feedback(
                f"{number}{who}",
                "rating",
                prompt.id,
                (text.id,),
                {"rating": rating, "scale": [1, 5]},
                Author(who, "ai" if who == "strict" else "human"),
                time=f"2026-01-01T10:00:{number:02}Z",
            )
            for who, rating in said.items()
        )
        made.append(Entry(prompt, (text,), records))
    found = {person.author.id: person for person in people(made).people}
    assert found["strict"].author.kind == "ai"
    assert found["strict"].strict["rating"].mean > 1
    assert found["same"].run == "rating: 3 60 times in a row of 60"
    assert found["same"].manner is Manner.ONE_ANSWER
    assert found["ana"].manner is Manner.CAREFUL
    undated = [replace(each, feedback=tuple(replace(r, time="") for r in each.feedback)) for each in made]
    again = {person.author.id: person for person in people(undated).people}
    assert again["same"].manner is Manner.ONE_ANSWER  # where all is alike no order is needed
    assert again["ana"].run == ""


def test_strangers_who_share_no_question_are_told_so():
    made = []
    for who in ("ana", "bo"):
        prompt = Prompt.of(who)
        texts = (Completion(prompt.id, "a"), Completion(prompt.id, "b"))
        ids = tuple(text.id for text in texts)
        made.append(Entry(prompt, texts, (Feedback(who, "comparison", prompt.id, ids, {"chosen": 0}, Author(who)),)))
    report = people(made)
    assert {person.manner for person in report.people} == {Manner.FEW}
    assert "no two people voted on the same items" in report.notes[0]


def test_where_everybody_guesses_hardly_anybody_is_called_careful():
    generator = np.random.default_rng(3)
    made = []
    for number in range(200):
        prompt = Prompt.of(str(number))
        texts = (Completion(prompt.id, "a"), Completion(prompt.id, "b"))
        ids = tuple(text.id for text in texts)
        records = tuple(
            Feedback(
                f"{number}{who}",
                "comparison",
                prompt.id,
                ids,
                {"chosen": int(generator.random() < 0.5)},
                Author(f"p{who}"),
            )
            for who in generator.permutation(20)[:3]
        )
        made.append(Entry(prompt, texts, records))
    manners = people(made).by_manner
    assert manners.get(Manner.CAREFUL, 0) + manners.get(Manner.ADVERSARIAL, 0) <= 4


def test_a_manner_is_named_only_when_it_is_sure():
    kinds = {"comparison": 40}
    unsure = Person(Author("x"), kinds, votes=40, slope=Estimate(0.4, 0.5), side=Estimate(0.0, 0.3))
    assert unsure.manner is Manner.UNCLEAR
    assert sum(unsure.chances[m] for m in (Manner.CAREFUL, Manner.CARELESS, Manner.ADVERSARIAL)) == pytest.approx(1)
    sure = Person(Author("x"), kinds, votes=40, slope=Estimate(1.0, 0.1), follows={"vote": 5.0})
    assert sure.manner is Manner.CAREFUL
    assert replace(sure, follows={"vote": 0.5}).manner is Manner.UNCLEAR
    assert replace(sure, has_company=False).manner is Manner.ALONE
    assert replace(sure, votes=3).manner is Manner.FEW
    # Beta(4, 2) by hand: mean 4 / 6
    assert Share(3, 4).interval.mean == pytest.approx(4 / 6)


def test_somebody_who_grades_all_alone_is_told_of_without_complaint():
    alone = []
    for number in range(12):
        prompt = Prompt.of(f"thing {number}")
        text = Completion(prompt.id, "fine")
        value = {"rating": 1 + number % 5, "scale": [1, 5]}
        record = Feedback(f"f{number}", "rating", prompt.id, (text.id,), value, Author("ana"))
        alone.append(Entry(prompt, (text,), (record,)))
    (person,) = people(alone).people
    assert (person.answers, person.follows) == (12, {"rating": 0.0})


SHOWN = "The lamp stands on the desk in the corner and gives a warm light, but nobody knows what it costs."
MENDED = SHOWN.replace("corner", "corner of the room")
ADDED = f"{SHOWN} It costs nine euros ninety, and a bulb is in the box."


@pytest.mark.parametrize(
    ("kind", "one", "two", "told"),
    [
        pytest.param("reference", SHOWN, SHOWN, None, id="both know the answer"),
        pytest.param("correction", MENDED, MENDED, None, id="both mend the same few words of a long text"),
        pytest.param("correction", SHOWN.upper(), SHOWN.title(), None, id="another case is no text of one's own"),
        pytest.param("correction", ADDED, ADDED, (1, 1), id="a sentence put there twice"),
        pytest.param("correction", ADDED, ["The lamp.", ADDED], (1, 1), id="mended in several goes"),
        pytest.param("correction", ADDED, f"{SHOWN} It smells of fish and hums at night.", (0, 1), id="two sentences"),
    ],
)
def test_what_all_who_mend_a_text_share_is_no_copy(kind, one, two, told):
    prompt = Prompt.of("lamps")
    texts = () if kind == "reference" else (Completion(prompt.id, SHOWN),)
    shown = tuple(text.id for text in texts)
    records = tuple(
        Feedback(who, kind, prompt.id, shown, {"correction": said}, Author(who), time=f"2026-01-0{day}T00:00:00Z")
        for day, (who, said) in enumerate({"ana": one, "bo": two}.items(), 1)
    )
    copied = {each.author.id: each.copied for each in people([Entry(prompt, texts, records)]).people}["bo"]
    assert copied == (told and Share(*told))
