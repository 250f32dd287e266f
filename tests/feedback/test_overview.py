import pytest

from burnish.feedback.overview import overview
from burnish.feedback.rows import Given, to_entry
from burnish.maths.agreement import alpha, count
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry


def entries(*rows):
    return [to_entry(row, (f"line {number}", 0), Given()) for number, row in enumerate(rows)]


def rated(text, rating, author="", **more):
    return {"prompt": "Hi", "completion": text, "rating": rating, "scale": [1, 5], "author": author, **more}


def voted(chosen, rejected, **more):
    return {"prompt": "Hi", "chosen": chosen, "rejected": rejected, **more}


def test_counts():
    found = overview(
        entries(
            rated("A", 4, "ana"), rated("A", 5, "bob"), rated("B", 1), voted("A", "B"),
            voted("A", "B", author="judge", author_kind="ai"), {"prompt": "Hi", "completion": "A", "comment": "c"},
        )
    )  # fmt: skip
    assert (found.records, found.people, found.anonymous) == (6, 2, 3)
    assert found.by_kind == {"comment": 1, "comparison": 2, "rating": 3}
    assert found.by_author_kind == {"ai": 1, "human": 5}
    assert set(found.agreement) == {"comment", "comparison", "rating"}
    assert found.agreement["comparison"].answers == 0  # a judge is not people, and one vote agrees with nobody


def test_agreement_of_ratings_is_alpha_of_the_ratings_whatever_their_scale():
    rows = [("A", 5, 4), ("B", 1, 2), ("C", 3, 3), ("D", 2, 4)]
    given = [rated(text, one, "ana") for text, one, _ in rows]
    given += [{**rated(text, (two - 1) * 25, "bob"), "scale": [0, 100]} for text, _, two in rows]
    found = overview(entries(*given)).agreement["rating"]
    units = [0, 1, 2, 3, 0, 1, 2, 3]
    expected = alpha(count(units, [one for _, one, _ in rows] + [two for _, _, two in rows]), "interval")
    assert found.alpha == pytest.approx(expected.alpha)
    assert found.ci95 == pytest.approx(expected.ci95)


def test_agreement_of_comparisons_sees_through_the_order_shown():
    agree = [voted(*pair, shown_first=first) for pair in ("AB", "CD", "FE") for first in ("chosen", "rejected")]
    found = overview(entries(*agree)).agreement["comparison"]
    assert found.alpha == 1.0
    assert found.same == 1.0
    opposed = [voted("A", "B"), voted("B", "A"), voted("C", "D"), voted("D", "C")]
    assert overview(entries(*opposed)).agreement["comparison"].alpha < 0


def test_agreement_of_references_is_how_alike_two_authors_answers_to_one_prompt_are():
    def given(prompt, *references):
        return [
            {"prompt": prompt, "reference": text, "author": author}
            for author, text in zip(("ana", "bob"), references, strict=True)
        ]

    rows = [
        *given("Capital of France?", "It is Paris.", "It is Paris!"),
        *given("2 + 3?", "The sum is five.", "The sum is five"),
        *given("A lamp?", "A light that stands on the floor.", "A light that stands on floors."),
    ]
    found = overview(entries(*rows)).agreement["reference"]
    assert (found.units, found.answers, found.metric) == (3, 6, "distance")
    assert found.alpha > 0.7
    turned = [{**row, "prompt": rows[(n + 2 * (n % 2)) % 6]["prompt"]} for n, row in enumerate(rows)]
    assert overview(entries(*turned)).agreement["reference"].alpha < 0.1


def test_agreement_of_rankings_counts_pairs_and_resamples_whole_rankings():
    def ranking(order, shown):
        return {"prompt": "Hi", "completions": shown, "ranking": [shown.index(each) for each in order]}

    given = [
        ranking("ABC", list("ABC")),
        ranking("ACB", list("CAB")),
        ranking("DEF", list("DEF")),
        ranking("FED", list("DEF")),
    ]
    found = overview(entries(*given)).agreement["ranking"]
    assert (found.units, found.answers) == (6, 12)
    assert found.same == pytest.approx(2 / 6)


def test_one_person_agrees_with_nobody_and_cannot_judge_is_no_answer():
    twice = [rated("A", 4, "ana"), rated("A", 4, "ana"), rated("B", 2, "ana"), rated("B", 3)]
    found = overview(entries(*twice)).agreement["rating"]
    assert (found.alpha, found.units, found.dropped) == (None, 1, 1)
    unsure = overview(entries(voted("A", "B", cannot_judge=True), voted("A", "B"))).agreement["comparison"]
    assert unsure.units == 0


def test_aspects_are_questions_of_their_own():
    found = overview(entries(rated("A", 1, aspect="tone"), rated("A", 5))).agreement["rating"]
    assert (found.units, found.dropped) == (0, 2)


def test_the_report_part_names_the_kind_it_speaks_of():
    few = [
        {"prompt": "Hi", "completion": text, "thumb": up}
        for text, up in (("A", True), ("A", True), ("B", False), ("B", False))
    ]
    many = [rated(text, rating) for text in "CDEF" for rating in (1, 2, 4)]
    plain = overview(entries(*few, *many)).to_plain()
    assert plain["records"] == 16
    assert plain["agreement"]["kind"] == "rating"
    assert plain["agreement"]["alpha"] == plain["agreement_by_kind"]["rating"]["alpha"]
    assert len(plain["agreement"]["ci95"]) == 2
    nothing = overview(entries(rated("A", 3))).to_plain()
    assert nothing["agreement"] == {"alpha": None, "ci95": None, "kind": None}
    assert "no unit" in nothing["agreement_by_kind"]["rating"]["reason"]


def test_nothing_at_all():
    empty = overview([])
    assert (empty.records, empty.people, empty.by_kind, empty.agreement) == (0, 0, {}, {})


def test_a_known_answer_is_nobodys_opinion():
    rows = [rated("A", 4, "ana"), rated("A", 5, "bob"), rated("B", 1, "ana"), rated("B", 2, "bob")]
    gold = [{**rated(text, 3), "metadata": {"gold": True}} for text in "AB"]
    assert overview(entries(*rows, *gold)).agreement == overview(entries(*rows)).agreement


def test_agreement_of_what_people_wrote_is_how_alike_their_texts_are():
    prompt = Prompt.of("q")
    entries = []
    for number, (one, two) in enumerate((("far too long", "too long by far"), ("very warm", "warm, very"))):
        text = Completion(prompt.id, str(number))
        records = tuple(
            Feedback(f"{number}{who}", "comment", prompt.id, (text.id,), {"comment": said}, Author(who))
            for who, said in (("ana", one), ("bo", two))
        )
        entries.append(Entry(prompt, (text,), records))
    found = overview(entries).agreement["comment"]
    assert found.metric == "distance"
    assert found.alpha > 0.3
    assert found.units == 2
