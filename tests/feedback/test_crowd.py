import numpy as np
import pytest
from scipy.special import expit

from burnish.errors import InputError
from burnish.feedback import crowd
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.signals import signals_from
from burnish.records import Author, Completion, Feedback, Preference, Prompt, Score
from burnish.store import Entry

SLOPES = {"ana": 2.0, "bo": 2.0, "cy": 2.0, "di": -2.0, "lefty": 0.0}
ANNOTATORS, PLAIN, MAJORITY = (SignalConfig(people=people) for people in ("annotators", "plain", "majority"))


def compared(seed=0, prompts=60, slopes=SLOPES, author_kind="human"):
    """Each prompt has a better and a worse text; everybody compares them, sides drawn, `lefty` picks the left."""
    generator = np.random.default_rng(seed)
    entries = []
    for number in range(prompts):
        prompt = Prompt.of(f"question {number}")
        texts = (Completion(prompt.id, "better"), Completion(prompt.id, "worse"))
        records = []
        for person, slope in slopes.items():
            turned = bool(generator.random() < 0.5)
            shown = texts[::-1] if turned else texts
            level = slope * (-1 if turned else 1) + (2.5 if person == "lefty" else 0)
            left = bool(generator.random() < expit(level))
            said = {"chosen": 0 if left else 1}
            author = Author(person, author_kind)
            records.append(
                Feedback(f"{number}-{person}", "comparison", prompt.id, tuple(t.id for t in shown), said, author)
            )
        entries.append(Entry(prompt, texts, tuple(records)))
    return entries


def preferences(entries, config):
    return [each for each in signals_from(entries, config) if isinstance(each, Preference)]


def right(found):
    return np.mean([each.chosen.text == "better" for each in found])


def test_people_are_told_apart_and_the_signals_are_better_for_it():
    entries = compared(prompts=200)
    ours, plain = preferences(entries, ANNOTATORS), preferences(entries, PLAIN)
    assert right(ours) > right(plain) + 0.02
    assert right(ours) > 0.93
    assert all(0 < each.weight <= 1 and 0.5 <= each.probability < 1 and each.variance > 0 for each in ours)
    assert [each.feedback_ids for each in ours] == [each.feedback_ids for each in plain]


def test_a_judge_is_a_person_of_the_same_model():
    entries = compared(slopes={"ana": 2.0, "bo": 2.0, "gpt": -2.0})
    judged = [
        Entry(
            entry.prompt,
            entry.completions,
            tuple(
                Feedback(r.id, r.kind, r.prompt_id, r.completion_ids, r.value, Author(r.author.id, "ai"))
                if r.author.id == "gpt"
                else r
                for r in entry.feedback
            ),
        )
        for entry in entries
    ]
    answers = [Answer(e.prompt, _shown(e, r), r) for e in judged for r in e.feedback]
    found = crowd.fit(answers, ANNOTATORS)[""]
    assert found.people == (Author("ana"), Author("bo"), Author("gpt", "ai"))
    assert found.found.slope_K[2] < -0.5 < 0.5 < found.found.slope_K[0]


def _shown(entry, record):
    texts = {completion.id: completion for completion in entry.completions}
    return tuple(texts[name] for name in record.completion_ids)


def test_the_bare_majority_knows_no_doubt():
    found = preferences(compared(slopes={"ana": 2.0, "bo": 2.0, "cy": 2.0}), MAJORITY)
    assert {each.probability for each in found} == {1.0}
    assert {each.variance for each in found} == {0.0}


def test_anonymous_votes_are_one_average_person():
    entries = [
        Entry(
            entry.prompt,
            entry.completions,
            tuple(
                Feedback(
                    r.id, r.kind, r.prompt_id, r.completion_ids, r.value, r.author if r.author.id < "c" else Author()
                )
                for r in entry.feedback
            ),
        )
        for entry in compared()
    ]
    answers = [Answer(e.prompt, _shown(e, r), r) for e in entries for r in e.feedback]
    found = crowd.fit(answers, ANNOTATORS)[""]
    assert [author.id for author in found.people] == ["ana", "bo", ""]


def test_with_nobody_in_common_all_count_alike_and_that_is_said(capsys):
    lonely = [
        Entry(entry.prompt, entry.completions, tuple(r for r in entry.feedback if r.author.id == name))
        for entry, name in zip(compared(prompts=2), ("ana", "bo"), strict=True)
    ]
    assert preferences(lonely, ANNOTATORS) == preferences(lonely, PLAIN)
    assert "signals: comparisons: all people count alike here" in capsys.readouterr().err


def test_one_stray_answer_stops_nothing(capsys):
    """A tie of two good texts implies two thumbs, which alone tell nobody apart; nor does an aspect of one person's."""
    entries = compared()
    first = entries[0]
    ids = tuple(text.id for text in first.completions)
    stray = (
        Feedback("stray", "comparison", first.prompt.id, ids, {"tie": "good"}, Author("ana")),
        Feedback("own", "comparison", first.prompt.id, ids, {"chosen": 0}, Author("ana"), aspect="style"),
    )
    more = [Entry(first.prompt, first.completions, (*first.feedback, *stray)), *entries[1:]]
    found, before = preferences(more, ANNOTATORS), preferences(entries, ANNOTATORS)
    assert len(found) == len(before) + 1
    assert [each.probability for each in found[2:]] == pytest.approx(
        [each.probability for each in before[1:]], abs=0.01
    )
    said = capsys.readouterr().err
    assert "signals: thumbs: all people count alike here" in said
    assert "signals: comparisons of style: all people count alike here" in said


def test_an_unknown_way_is_refused():
    with pytest.raises(InputError, match=r"signals.people: 'anotators' is unknown. Did you mean 'annotators'"):
        SignalConfig(people="anotators")


@pytest.mark.parametrize("kind", ["rating", "thumb"])
def test_ratings_and_thumbs_of_a_contrary_person_are_turned_round(kind):
    generator = np.random.default_rng(1)
    entries, quality = [], generator.normal(size=80)
    for number, theta in enumerate(quality):
        prompt = Prompt.of(f"question {number}")
        text = Completion(prompt.id, str(number))
        records = []
        for person, slope in SLOPES.items():
            felt = slope * theta + generator.logistic() * 0.7
            value = {"rating": int(np.clip(round(3 + felt), 1, 5)), "scale": [1, 5]}
            value = value if kind == "rating" else {"thumb": bool(felt > 0)}
            records.append(Feedback(f"{number}-{person}", kind, prompt.id, (text.id,), value, Author(person)))
        entries.append(Entry(prompt, (text,), tuple(records)))

    def fit_of(config):
        scores = [each for each in signals_from(entries, config) if isinstance(each, Score)]
        assert all(config.scale[0] <= each.value <= config.scale[1] for each in scores)
        return np.corrcoef([each.value for each in scores], quality)[0, 1]

    assert fit_of(ANNOTATORS) > fit_of(PLAIN) + 0.03
    assert fit_of(MAJORITY) == pytest.approx(fit_of(PLAIN), abs=0.1)


def test_rankings_count_by_what_their_author_proves_to_see():
    generator = np.random.default_rng(2)
    entries = []
    for number in range(40):
        prompt = Prompt.of(f"question {number}")
        texts = tuple(Completion(prompt.id, name) for name in "abcd")
        records = []
        for person, slope in {"ana": 3.0, "bo": 3.0, "di": -3.0}.items():
            felt = slope * np.arange(4.0) * -0.5 + generator.gumbel(size=4)
            order = [[int(place)] for place in np.argsort(-felt)]
            ids = tuple(text.id for text in texts)
            records.append(
                Feedback(f"{number}-{person}", "ranking", prompt.id, ids, {"ranking": order}, Author(person))
            )
        entries.append(Entry(prompt, texts, tuple(records)))

    def first_is_best(config):
        return np.mean([each.ranks[0] == 0 for each in preferences(entries, config)])

    assert first_is_best(ANNOTATORS) > first_is_best(PLAIN) + 0.1
