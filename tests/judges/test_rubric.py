import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.feedback import kinds
from burnish.judges.asking.verdict import Part
from burnish.judges.rubric import Checklist, Criterion, Rubric, score
from burnish.models.answering import Failure
from burnish.store import Entry, check

TEXT = "Paris is the capital. It has two million people."
RUBRIC = Rubric(
    "capital",
    (
        Criterion("names it", "Does it name the capital?", weight=2.0, evidence=True),
        Criterion("short", "Is it short?"),
        Criterion("rude", "Is it rude?", weight=-1.0),
    ),
)


def answering(**by_question):
    """Script that answers by the first word of the question found."""

    def say(question, seed):
        for word, answer in by_question.items():
            if word in question.text.partition("The texts")[0]:
                return answer if isinstance(answer, Failure | str) else json.dumps(answer)
        return json.dumps({"verdict": "no"})

    return say


YES = {"reason": "r", "evidence": ["Paris is the capital"], "verdict": "yes"}


def test_the_score_is_the_weighted_share_and_quotes_are_spans(asker, pairs):
    prompts, groups = pairs(("capital of France?", TEXT))
    (verdict,) = Checklist(asker(answering(name=YES, short={"verdict": "no"})), RUBRIC).verdicts(prompts, groups)
    assert verdict.value == pytest.approx(2 / 3)
    assert verdict.feedback.kind == "rubric"
    assert verdict.feedback.value["rubric"] == [
        {"criterion": "names it", "answer": True, "weight": 2.0, "evidence": "Paris is the capital"},
        {"criterion": "short", "answer": False, "weight": 1.0},
        {"criterion": "rude", "answer": False, "weight": -1.0},
    ]
    (span,) = verdict.parts[0].spans
    assert TEXT[span.start : span.end] == "Paris is the capital"
    assert span.label == "names it"
    check(Entry(prompts[0], tuple(groups[0]), (verdict.feedback,)))
    kind = kinds.load("rubric")
    assert kind.parse(kind.to_row(verdict.feedback.value, [TEXT])) == verdict.feedback.value
    assert kind.summary(verdict.feedback.value).startswith("67% of the rubric")


def test_pitfalls_take_away_and_the_score_stays_in_its_bounds(asker, pairs):
    rude = {"reason": "", "evidence": [], "verdict": "yes"}
    judge = Checklist(asker(answering(name=YES, rude=rude)), RUBRIC)
    assert judge.verdicts(*pairs(("q", TEXT)))[0].value == pytest.approx(1 / 3)
    judge = Checklist(asker(answering(rude=rude)), RUBRIC)
    assert judge.verdicts(*pairs(("q", TEXT)))[0].value == 0.0


@pytest.mark.parametrize("evidence", [[], ["Lyon is the capital"], ["..."], ["a"]])
def test_a_yes_that_nothing_in_the_text_shows_is_not_an_answer(asker, pairs, evidence):
    judge = Checklist(asker(answering(name={**YES, "evidence": evidence}, short={"verdict": "yes"})), RUBRIC)
    (verdict,) = judge.verdicts(*pairs(("q", TEXT)))
    assert verdict.parts[0].value is None
    assert verdict.parts[0].reason.startswith("evidence: ")
    assert verdict.value == 1.0  # of what is known: short, not rude
    assert verdict.variance == pytest.approx((2 / 3) ** 2 / 4)  # the unanswered two thirds are a coin


def test_too_little_answered_is_a_failure(asker, pairs):
    down = Failure("server error")
    (verdict,) = Checklist(asker(answering(name=down, short=down)), RUBRIC).verdicts(*pairs(("q", TEXT)))
    assert (verdict.feedback, verdict.value) == (None, None)
    assert verdict.failure == "unanswered: criteria of more than half of the weight (server error)"


def test_an_essential_criterion_caps_and_unanswered_fails():
    rubric = Rubric("r", (Criterion("safe", "?", essential=True), Criterion("good", "?", weight=9.0)), cap=0.2)
    assert score(rubric, [Part("safe", 0.0), Part("good", 1.0, 9.0)]) == (0.2, "")
    assert score(rubric, [Part("safe", 1.0), Part("good", 1.0, 9.0)]) == (1.0, "")
    assert score(rubric, [Part("safe", None, reason="down"), Part("good", 1.0, 9.0)])[0] is None


def test_log_probs_are_soft_answers_where_no_evidence_is_wanted(asker, pairs):
    def prefer(question, options):
        assert tuple(options) == ("yes", "no")
        return {"yes": math.log(0.3), "no": math.log(0.1)}

    rubric = Rubric("r", (Criterion("short", "Is it short?"),))
    (verdict,) = Checklist(asker(answering(), prefer=prefer), rubric).verdicts(*pairs(("q", TEXT)))
    assert verdict.value == pytest.approx(0.75)
    (point,) = verdict.feedback.value["rubric"]
    assert (point["answer"], point["scale"]) == (pytest.approx(0.75), [0, 1])
    assert verdict.variance == pytest.approx(0.75 * 0.25)


WEIGHTS = st.floats(0.01, 3) | st.floats(-3, -0.01)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(WEIGHTS, st.one_of(st.none(), st.floats(0, 1))), min_size=1, max_size=6))
def test_a_score_is_in_its_bounds_or_there_is_none(rows):
    if not any(weight > 0 for weight, _ in rows):
        return
    rubric = Rubric("r", tuple(Criterion(str(i), "?", weight=weight) for i, (weight, _) in enumerate(rows)))
    value, why = score(rubric, [Part(str(i), x, weight) for i, (weight, x) in enumerate(rows)])
    assert why if value is None else 0 <= value <= 1


def test_a_rubric_comes_from_a_file(tmp_path):
    path = tmp_path / "answers.toml"
    path.write_text(
        'version = "2"\ncap = 0.5\n[[criteria]]\nid = "a"\nquestion = "Is it?"\nessential = true\n'
        '[[criteria]]\nid = "b"\nquestion = "Was it?"\nweight = -1.0\n',
        "utf-8",
    )
    rubric = Rubric.load(path)
    assert (rubric.name, rubric.version, rubric.cap) == ("answers", "2", 0.5)
    assert rubric.criteria[1] == Criterion("b", "Was it?", -1.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("criteria = 3", "no [[criteria]]"),
        ("[[criteria]]\nid = 'a'\nquestoin = 'x'", "Did you mean 'question'?"),
        ("[[criteria]]\nid = 'a'", "question"),
        ("what", "cannot be read as TOML"),
        ("[[criteria]]\nid='a'\nquestion='q'\nweight=-1.0", "no criterion has a positive weight"),
        ("[[criteria]]\nid='a'\nquestion='q'\n[[criteria]]\nid='a'\nquestion='r'", "two criteria"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path, text, complaint):
    path = tmp_path / "r.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as error:
        Rubric.load(path)
    assert complaint in str(error.value)
