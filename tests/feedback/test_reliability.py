import numpy as np
import pytest
from scipy.special import expit

from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.people import people
from burnish.feedback.posterior import posterior
from burnish.feedback.reliability import classes
from burnish.feedback.signals import signals_from
from burnish.records import Author, Completion, Feedback, Preference, Prompt, Score
from burnish.store import Entry

RELIABLE, PLAIN = SignalConfig(people="reliable"), SignalConfig()


def entry(number, texts, said, kind):
    """An entry with one record for each (person, completion numbers in the order shown, value)."""
    prompt = Prompt.of(f"question {number}")
    shown = tuple(Completion(prompt.id, text) for text in texts)
    records = tuple(
        Feedback(f"{number}-{person}", kind, prompt.id, tuple(shown[i].id for i in order), value, Author(person))
        for person, order, value in said
    )
    return Entry(prompt, shown, records)


def compared(right, prompts=60, seed=0):
    """A better and a worse text for each prompt; each person names the better with a probability of their own."""
    draw = np.random.default_rng(seed)
    return [
        entry(
            number,
            ("better", "worse"),
            [(person, (0, 1), {"chosen": int(draw.random() > chance)}) for person, chance in right.items()],
            "comparison",
        )
        for number in range(prompts)
    ]


def thumbed(right, texts=80, seed=0):
    """Half of the texts are good; each person says so with a probability of being right of their own."""
    draw = np.random.default_rng(seed)
    return [
        entry(
            number,
            (f"text {number}",),
            [
                (person, (0,), {"thumb": bool((number % 2 == 0) == (draw.random() < chance))})
                for person, chance in right.items()
            ],
            "thumb",
        )
        for number in range(texts)
    ]


def right_way(entries, config):
    """Share of pairs whose better text is chosen."""
    found = [each for each in signals_from(entries, config) if isinstance(each, Preference)]
    return np.mean([each.chosen.text == "better" and each.ranks == (0, 1) for each in found])


def good(entries, config):
    """Value of each text, in the order of the entries."""
    found = {each.completion.text: each for each in signals_from(entries, config) if isinstance(each, Score)}
    return [found[entry.completions[0].text] for entry in entries]


def test_people_who_turn_their_answers_round_are_read_the_other_way():
    crowd = {"ana": 0.9, "bo": 0.9, "cy": 0.85, "di": 0.1, "ed": 0.1, "flo": 0.5}
    entries = compared(crowd)
    assert right_way(entries, RELIABLE) > 0.95
    assert right_way(entries, PLAIN) < 0.8
    found = [each for each in signals_from(entries, RELIABLE) if isinstance(each, Preference)]
    assert all(0 <= each.weight <= 1 and each.variance > 0 for each in found)


def test_strengths_of_texts_are_told_by_the_same_model():
    found = posterior(compared({"ana": 0.95, "bo": 0.95, "cy": 0.05}), RELIABLE)
    better = [item.value.mean for item in found.items if item.completion.text == "better"]
    assert np.mean(np.array(better) > 0) > 0.9


def test_a_thumb_is_the_probability_that_the_text_is_good():
    entries = thumbed({"ana": 0.95, "bo": 0.9, "cy": 0.9, "di": 0.5, "ed": 0.5})
    truth = np.array([1.0, -1.0] * 40)

    def share_right(config):
        return np.mean(np.sign([score.value for score in good(entries, config)]) == truth)

    assert share_right(RELIABLE) > share_right(PLAIN) + 0.03
    sure = good(entries, RELIABLE)[0]
    chance = (sure.value + 4) / 8
    assert sure.variance == pytest.approx(64 * chance * (1 - chance))


def test_skills_are_told_with_the_classes():
    rows = [
        (text.completions[0].id, Answer(text.prompt, text.completions, said), int(said.value["thumb"]))
        for text in thumbed({"ana": 0.95, "bo": 0.9, "cy": 0.85, "di": 0.15})
        for said in text.feedback
    ]
    found = classes(rows, 2)
    skill = {name: found.truth.skill_K[number] for (_, name), number in found.people.items()}
    assert skill["ana"] > 0.85
    assert skill["di"] < 0.3


def rubric(texts=40, each=2, seed=0):
    """Texts of growing quality, each judged by two of six people, half of them strict, on five points."""
    draw = np.random.default_rng(seed)
    quality, hard = np.linspace(-2, 2, texts), np.linspace(-1, 1, 5)
    entries = []
    for number, level in enumerate(quality):
        said = []
        for person in draw.permutation(6)[:each].tolist():
            strict = 1.5 if person < 3 else -1.5
            met = draw.random(5) < expit(2 * (level - strict - hard))
            points = [{"criterion": f"point {k}", "answer": bool(there)} for k, there in enumerate(met)]
            said.append((f"p{person}", (0,), {"rubric": points}))
        entries.append(entry(number, (f"text {number}",), said, "rubric"))
    return entries, quality


def whole(entries, config):
    found = [each for each in signals_from(entries, config) if isinstance(each, Score) and each.aspect == ""]
    return [score.value for score in found]


def test_a_rubric_is_freed_of_who_was_strict():
    entries, quality = rubric()
    strict_out, plain = (np.corrcoef(whole(entries, config), quality)[0, 1] for config in (RELIABLE, PLAIN))
    assert strict_out > 0.85
    assert strict_out > plain + 0.1


def test_pitfalls_count_against_and_essential_points_still_cap():
    def points(fact, invented):
        return {
            "rubric": [
                {"criterion": "names the price", "answer": fact, "essential": True},
                {"criterion": "invents a fact", "answer": invented, "weight": -1},
            ]
        }

    answers = [(True, False), (True, True), (False, False), (False, True)] * 4
    entries = [
        entry(n, (f"text {n}",), [(person, (0,), points(*said)) for person in ("ana", "bo")], "rubric")
        for n, said in enumerate(answers)
    ]
    best, spoilt, missed, worst = whole(entries, RELIABLE)[:4]
    assert best > spoilt > worst
    assert missed <= 0


def test_one_person_alone_counts_as_plain_and_that_is_said(capsys):
    alone = thumbed({"ana": 0.9}, texts=6)
    assert [s.value for s in good(alone, RELIABLE)] == [s.value for s in good(alone, PLAIN)]
    assert "thumbs: all people count alike here" in capsys.readouterr().err
    alone = compared({"ana": 0.9}, prompts=6)
    assert right_way(alone, RELIABLE) == right_way(alone, PLAIN)


def test_people_are_told_how_often_their_thumbs_and_marks_are_right():
    draw = np.random.default_rng(3)
    chances = {"ana": 0.95, "bo": 0.9, "cy": 0.9, "di": 0.55}
    words = ["one", "two", "three", "four", "five", "six"]
    marked = []
    for number in range(30):
        said = []
        for person, chance in chances.items():
            right = draw.random(6) < chance
            wrong = [k for k in range(6) if (k % 2 == number % 2) == right[k]] or [0]
            starts = [len(" ".join(words[:k])) + bool(k) for k in wrong]
            spans = [
                {"start": start, "end": start + len(words[k]), "label": "wrong"}
                for k, start in zip(wrong, starts, strict=True)
            ]
            said.append((person, (0,), {"spans": spans}))
        marked.append(entry(f"m{number}", (" ".join(words),), said, "span"))
    found = {person.author.id: person for person in people([*thumbed(chances), *marked]).people}
    for kind in ("thumb", "span"):
        skill = {name: person.right[kind] for name, person in found.items()}
        assert skill["ana"].mean > 0.85
        assert skill["di"].mean < 0.7
        assert skill["di"].mean > 0.4
    assert found["ana"].to_plain()["right"]["thumb"]["mean"] == pytest.approx(found["ana"].right["thumb"].mean)


def test_marks_that_nobody_else_made_tell_nobodys_skill():
    alone = entry(0, ("one two",), [("ana", (0,), {"spans": [{"start": 0, "end": 3, "label": "wrong"}]})], "span")
    found = people([alone])
    assert found.people[0].right == {}
    assert any("span: dawid_skene: no item was labelled by two people" in note for note in found.notes)
