"""What was said: how often each answer, what comments speak of, where people differ."""

from burnish.feedback.contents import contents
from burnish.feedback.rows import Given, to_entry


def entries(*rows):
    return [to_entry({"prompt": "Hi", **row}, (f"line {n}", 0), Given()) for n, row in enumerate(rows)]


def rated(rating, scale, author="ana", text="A"):
    return {"completion": text, "rating": rating, "scale": scale, "author": author}


def test_answers_are_counted_in_the_order_of_their_scale():
    found = contents(entries(*[rated(grade, [1, 5], f"p{n}") for n, grade in enumerate([5, 1, 5, 3])])).answers
    assert list(found["rating"].items()) == [("1 of 5", 1), ("3 of 5", 1), ("5 of 5", 2)]
    slid = contents(entries(*[rated(grade, [0, 100], f"p{n}") for n, grade in enumerate([0, 7, 55.5, 100])])).answers
    assert list(slid["rating"].items()) == [("0 to 10", 2), ("50 to 60", 1), ("90 to 100", 1)]


def test_ties_and_what_nobody_could_judge_stay_apart():
    pair = {"chosen": "B", "rejected": "A"}
    rows = [{**pair, "shown_first": "rejected"}, pair, {**pair, "tie": "bad"}, {**pair, "cannot_judge": True}]
    found = contents(entries(*[{**row, "author": f"p{n}"} for n, row in enumerate(rows)]))
    assert dict(found.answers["comparison"]) == {
        "one of the two, in an order that is not known": 1, "second shown": 1, "tie, both bad": 1, "cannot judge": 1,
    }  # fmt: skip


def test_judges_and_gold_stay_out():
    rows = [
        {**rated(1, [1, 5], "judge"), "author_kind": "ai"},
        {**rated(2, [1, 5], "lead"), "metadata": {"gold": True}},
        rated(3, [1, 5]),
    ]
    assert dict(contents(entries(*rows)).answers["rating"]) == {"3 of 5": 1}


def test_what_comments_speak_of_and_where_people_differ():
    rows = [
        {"completion": "A", "comment": "Far too long, and the facts are wrong.", "author": "ana"},
        {"completion": "A", "comment": "Much too long again.", "author": "bo"},
        rated(1, [1, 5], "ana"),
        rated(5, [1, 5], "bo"),
        rated(3, [1, 5], "ana", "B"),
        rated(3, [1, 5], "bo", "B"),
    ]
    found = contents(entries(*rows))
    spoken = {each.aspect: each for each in found.aspects}
    assert spoken["length"].comments == 2
    assert spoken["length"].value < 0
    assert found.comments == 2
    assert [item.questions[0].completions[0].text for item in found.hardest] == ["A"]
    plain = found.to_plain()
    assert plain["aspects"][0]["aspect"] == "length"
    assert plain["answers"]["rating"]["1 of 5"] == 1
    assert plain["disputed"][0] < 0.5 < plain["disputed"][1]


def test_nothing_said():
    found = contents([])
    assert (found.answers, found.disputed, list(found.topics)) == ({}, None, [])
    assert found.to_plain()["disputed"] is None
