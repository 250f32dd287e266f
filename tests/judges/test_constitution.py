import json

import pytest

from burnish.errors import InputError
from burnish.judges.constitution import Constitution, Constitutional, Principle
from burnish.models.answering import Failure

TWO = Constitution("two", (Principle("short", "It is short.", 3.0), Principle("kind", "It is kind.")))


def test_principles_are_weighed(asker, pairs, shown, labels):
    def say(question, seed):
        better = min if "It is short." in question.text else max
        first, second = shown(question)
        return json.dumps({"verdict": labels(question)[first != better((first, second), key=len)]})

    (verdict,) = Constitutional(asker(say), TWO).verdicts(*pairs(("q", "brief", "a much longer text")))
    # each principle is Beta(2, 1) in both orders: 2/3 and 1/3, weighed 3 to 1
    assert verdict.value == pytest.approx((3 * 2 / 3 + 1 / 3) / 4)
    assert verdict.feedback.value == {"chosen": 0}
    assert verdict.feedback.metadata["principles"] == {"short": pytest.approx(2 / 3), "kind": pytest.approx(1 / 3)}


def test_a_principle_that_does_not_apply_is_not_asked_and_a_failed_one_leaves_the_others(asker, pairs, by_length):
    rules = Constitution("r", (Principle("a", "A.", applies_if="Is it about war?"), Principle("b", "B.")))

    def say(question, seed):
        if "Is it about war?" in question.text:
            return "no"
        return Failure("down") if "better: A." in question.text else by_length(question, seed)

    (verdict,) = Constitutional(asker(say), rules).verdicts(*pairs(("tea?", "yes", "yes please")))
    assert [part.name for part in verdict.parts] == ["b"]
    always = Constitution("r", (Principle("a", "A."), Principle("b", "B.")))
    (verdict,) = Constitutional(asker(say), always).verdicts(*pairs(("tea?", "yes", "yes please")))
    assert [part.value for part in verdict.parts] == [None, pytest.approx(1 / 3)]
    only = Constitution("r", (Principle("a", "A."),))
    (verdict,) = Constitutional(asker(say), only).verdicts(*pairs(("tea?", "yes", "yes please")))
    assert (verdict.feedback, verdict.failure) == (None, "down")


def test_a_revision_follows_its_critique_and_the_next_principle_starts_from_it(asker, pairs, shown):
    def say(question, seed):
        if "Write the critique" in question.text:
            return "none" if "It is short." in question.text else "It is rude."
        text, critique = shown(question)
        assert critique == "It is rude."
        return text.replace("Shut up", "Please be quiet")

    prompts, groups = pairs(("q", "Shut up."))
    ((step,),) = Constitutional(asker(say), TWO).revise(prompts, [group[0] for group in groups])
    assert (step.aspect, step.text, step.revision) == ("kind", "It is rude.", "Please be quiet.")
    assert step.completion == groups[0][0]


def test_a_failed_step_stands_in_its_place_and_the_text_stays(asker, pairs):
    def say(question, seed):
        if "It is short." in question.text:
            return Failure("budget") if "Write the critique" in question.text else ""
        return "too long" if "Write the critique" in question.text else "better"

    prompts, groups = pairs(("q", "text"))
    ((failed, step),) = Constitutional(asker(say), TWO).revise(prompts, [group[0] for group in groups])
    assert failed == Failure("budget")
    assert (step.completion.text, step.revision) == ("text", "better")


def test_where_no_principle_s_orders_agree_nothing_was_said(asker, pairs, labels):
    def first(question, seed):
        return json.dumps({"verdict": labels(question)[0]})

    (verdict,) = Constitutional(asker(first), TWO).verdicts(*pairs(("q", "a", "b")))
    assert (verdict.feedback.value, verdict.consistent) == ({"cannot_judge": True}, False)
    assert verdict.questions == 4


def test_the_one_we_bring_is_whole():
    ours = Constitution.load()
    assert [principle.id for principle in ours.principles] == ["helpful", "honest", "harmless", "plain"]
    assert ours.principles[2].applies_if


def test_a_wrong_file_is_refused(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("[[principles]]\nid = 'a'\ntxt = 'x'\n", "utf-8")
    with pytest.raises(InputError, match="Did you mean 'text'"):
        Constitution.load(path)
    path.write_text("name = 'x'", "utf-8")
    with pytest.raises(InputError, match="needs principles"):
        Constitution.load(path)
