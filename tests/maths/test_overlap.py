import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.overlap import is_blankless, normal, rouge_l, rouge_n, token_f1, tokens

ENGLISH = [
    ("The cat sat on the mat.", "The cat is on the mat"),
    ("a b c d e f", "b d f a c e"),
    ("It's 3.5 times -- really!", "its 3 5 times"),
    ("police killed the gunman", "police kill the gunman"),
    ("", "something"),
    ("the the the", "the"),
    ("one", "one"),
]


@pytest.mark.parametrize(("text", "reference"), ENGLISH)
def test_english_is_as_rouge_score_has_it(text, reference):
    scorer = pytest.importorskip("rouge_score.rouge_scorer")
    theirs = scorer.RougeScorer(["rouge1", "rouge2", "rougeL"]).score(reference, text)
    for name, ours in (
        ("rouge1", rouge_n(text, reference, 1)),
        ("rouge2", rouge_n(text, reference, 2)),
        ("rougeL", rouge_l(text, reference)),
    ):
        assert (ours.precision, ours.recall, ours.f1) == pytest.approx(tuple(theirs[name])), name


@settings(max_examples=60, deadline=None)
@given(*[st.lists(st.sampled_from(["a", "b", "c", "dog", "Ran", "x1"]), max_size=12)] * 2)
def test_any_english_words_are_as_rouge_score_has_them(one, two):
    scorer = pytest.importorskip("rouge_score.rouge_scorer")
    text, reference = " ".join(one), ", ".join(two)
    theirs = scorer.RougeScorer(["rouge1", "rouge2", "rougeL"]).score(reference, text)
    assert rouge_n(text, reference, 1).f1 == pytest.approx(theirs["rouge1"].fmeasure)
    assert rouge_n(text, reference, 2).f1 == pytest.approx(theirs["rouge2"].fmeasure)
    assert rouge_l(text, reference).f1 == pytest.approx(theirs["rougeL"].fmeasure)


def test_chinese_is_counted_by_characters():
    assert rouge_l("今天天气很好", "今天天气很好").f1 == 1.0
    # by hand: 我爱北京 and 我爱上海 share 我爱, in order: 2 of 4 each; one bigram of three
    assert rouge_l("我爱北京", "我爱上海").f1 == pytest.approx(0.5)
    assert rouge_n("我爱北京", "我爱上海", 2).f1 == pytest.approx(1 / 3)
    assert [token.text for token in tokens("我用Python3写代码")] == ["我", "用", "python3", "写", "代", "码"]


def test_scripts():
    assert is_blankless("这是 good 的东西")
    assert is_blankless("ありがとう")
    assert not is_blankless("Café, 3 €")
    assert not is_blankless("123")
    assert [token.text for token in tokens("Größe naïve_x")] == ["größe", "naïve", "x"]
    assert rouge_l("Привет мир", "привет, мир!").f1 == 1.0


def test_answers_in_normal_form():
    assert normal("The  Eiffel Tower!") == "eiffel tower"
    assert normal("《红楼梦》。") == "红楼梦"
    assert token_f1("the Eiffel tower in Paris", "Eiffel Tower").f1 == pytest.approx(2 / 3)  # 2 of 4, 2 of 2
    assert token_f1("", "").f1 == 1.0
    assert token_f1("the", "an").f1 == 1.0  # articles alone: both empty
    assert token_f1("x", "").f1 == 0.0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_overlap_is_in_its_bounds_symmetric_and_1_for_the_same(one, two):
    for measure in (rouge_l, token_f1, lambda a, b: rouge_n(a, b, 1)):
        assert 0 <= measure(one, two).f1 <= 1
        assert measure(one, two).f1 == pytest.approx(measure(two, one).f1)
        assert measure(one, one).f1 == 1.0 or not tokens(one)
