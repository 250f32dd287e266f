from dataclasses import replace

import pytest

from burnish.feedback.words.reading import Estimate, Reading, Said
from burnish.feedback.words.still import Holds, claims, repeated, size, still_true
from burnish.records import Completion, Critique, Prompt

TOWER = "The tower is in Paris. It was built in 1876. It is made of iron and it is made of iron."


@pytest.mark.parametrize(
    ("comment", "revision", "holds"),
    [
        ("Too long.", "The tower is in Paris.", Holds.NO),
        ("Too long.", TOWER + " It is tall.", Holds.YES),
        ("Too long.", TOWER.replace("it is made", "made"), Holds.UNKNOWN),  # two words less answer nothing
        ("Too short.", TOWER * 2, Holds.NO),
        ("Could you make it shorter?", "The tower is in Paris.", Holds.NO),
        ("Could you make it shorter?", TOWER * 2, Holds.YES),
        ("It should be longer.", TOWER * 2, Holds.NO),
        ("能不能短一点", "铁塔在巴黎。", Holds.NO),
        ("Keep it under 10 words.", "The tower is in Paris.", Holds.NO),
        ("Keep it under 10 words.", "The tower is in Paris. It was built in 1876, by the way.", Holds.YES),
        ("Very repetitive.", "The tower is in Paris. It was built in 1876. It is made of iron.", Holds.NO),
        ("Very repetitive.", TOWER + " It is made of iron.", Holds.YES),
        ('"1876" is wrong.', TOWER.replace("1876", "1889"), Holds.NO),
        ('"1876" is wrong.', TOWER + " Really.", Holds.YES),
        ("The second sentence is wrong.", TOWER.replace("1876", "1877"), Holds.UNKNOWN),  # changed is not mended
        ("The second sentence is wrong.", TOWER + " Really.", Holds.YES),
        ("It doesn't mention the architect.", TOWER + " Its architect was Sauvestre.", Holds.NO),
        ("It doesn't mention the architect.", TOWER + " Lovely.", Holds.YES),
        ("Remove the word iron.", TOWER.replace("iron", "steel"), Holds.NO),
        ("Remove the word iron.", TOWER + " Lovely.", Holds.YES),
        ("Please answer in Chinese.", "铁塔在巴黎。", Holds.NO),
        ("Please answer in Chinese.", TOWER + " Oui.", Holds.YES),
        ("The tone is rude.", TOWER + " Sorry.", Holds.UNKNOWN),
        ("Hm.", TOWER + " Sorry.", Holds.UNKNOWN),
        ("The facts are wrong.", TOWER, Holds.YES),  # nothing was changed
        ("没有提到价格。", TOWER + "价格是九元。", Holds.NO),
        ("太长了。", "铁塔在巴黎。", Holds.NO),
        ("删掉“iron”。", TOWER.replace("iron", "steel"), Holds.NO),
    ],
)
def test_whether_a_comment_still_holds(comment, revision, holds):
    assert still_true(comment, TOWER, revision).holds is holds


def test_one_thing_left_undone_keeps_a_comment_true():
    found = still_true('Too long, and "1876" is wrong.', TOWER, "It was built in 1876.")
    assert {check.holds for check in found.checks} == {Holds.YES, Holds.NO}
    assert found.holds is Holds.YES


def test_praise_is_not_checked():
    assert still_true("Lovely.", TOWER, TOWER + " Yes.").checks == ()


def test_a_reading_made_elsewhere_is_taken():
    said = Said("c'est trop long", 0, 15, "length", -2.0)
    reading = Reading("c'est trop long", (said,), Estimate(-2.0, 1.0))
    assert still_true("c'est trop long", TOWER, "Short.", reading=reading).holds is Holds.NO


def test_lengths_and_repetition_are_counted_in_both_languages():
    assert size("It's a well-known 塔。") == 4
    assert repeated("a b c a b c") == 1
    assert repeated("重复重复重复") == 2


def test_in_the_form_in_which_methods_ask_for_it():
    prompt = Prompt.of("Name a fruit.")
    critique = Critique(prompt, Completion(prompt.id, "A pear, a pear, a pear."), "It does not mention vitamins.")
    assert claims(critique, Completion(prompt.id, "A pear, full of vitamins.")) is False
    assert claims(critique, Completion(prompt.id, "A pear, and another.")) is True
    assert claims(replace(critique, text="Hmm."), Completion(prompt.id, "A plum.")) is None
