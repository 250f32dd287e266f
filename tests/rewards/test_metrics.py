"""Rewards by a word: metrics of likeness and rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish import rewards
from burnish.errors import InputError
from burnish.records import Completion, Prompt, Reward
from burnish.rewards.accuracy import answer_in, is_same

WORDS = [
    "accuracy",
    "bleu",
    "chrf",
    "chrf:++",
    "exact_match",
    "length:3-5",
    "pattern:a",
    "rouge",
    "rouge:2",
    "token_f1",
]
LIKENESS = ["bleu", "chrf", "chrf:++", "exact_match", "rouge:1", "rouge:l", "token_f1"]


def one(word, text, reference=None, **metadata):
    prompt = Prompt.of("q", reference=reference, metadata=metadata)
    (score,) = rewards.make(word).score([prompt], [Completion(prompt.id, text)])
    return score


@pytest.mark.parametrize("word", WORDS)
def test_every_word_makes_a_reward_that_names_itself_and_gives_a_reason(word):
    assert isinstance(rewards.make(word), Reward)
    score = one(word, "a text here", "another text")
    assert score.source.startswith(word.partition(":")[0])
    assert score.reason
    assert 0 <= score.value <= 1


@pytest.mark.parametrize("word", LIKENESS)
@pytest.mark.parametrize("text", ["The cat sat on the mat.", "今天天气很好,我们去公园。", "Привет, мир и люди!"])
def test_the_same_text_is_1_in_every_script_and_another_is_less(word, text):
    assert one(word, text, text).value == pytest.approx(1.0)
    assert one(word, text[: len(text) // 2], text).value < 0.95


@pytest.mark.parametrize("word", [*LIKENESS, "accuracy"])
def test_without_a_reference_nothing_is_scored(word):
    score = one(word, "text")
    assert (score.value, score.reason) == (None, "the prompt has no reference")


def test_the_best_of_several_references_counts():
    assert one("exact_match", "a dog", "the cat", references=["A dog!", "cow"]).value == 1.0
    with pytest.raises(InputError, match="Write a list"):
        one("exact_match", "a", references="dog")


def test_bleu_of_chinese_that_differs_by_one_character():
    # sacrebleu 2.6.0's own numbers: sentence_bleu(..., tokenize="zh") 78.25, tokenize="13a" 0.0
    score = one("bleu", "今天的天气非常好啊", "今天的天气非常好呀")
    assert 0.75 < score.value < 0.95


def test_numbers_as_sacrebleu_prints_them():
    sacrebleu = pytest.importorskip("sacrebleu")
    text, reference = "the cat is on a mat today", "there is a cat on the mat"
    assert one("chrf", text, reference).value * 100 == pytest.approx(sacrebleu.sentence_chrf(text, [reference]).score)
    assert one("bleu", text, reference).value * 100 == pytest.approx(sacrebleu.sentence_bleu(text, [reference]).score)


def test_rouge_shows_what_is_shared():
    text = "A small cat sat on the old mat"
    score = one("rouge", text, "the cat sat on the mat")
    assert [text[span.start : span.end] for span in score.spans] == ["cat sat on the", "mat"]
    assert score.reason == "precision 0.62, recall 0.83"


@pytest.mark.parametrize(
    ("text", "reference", "metadata", "value"),
    [
        ("Half of it is 21. The answer is 42.", "42", {}, 1.0),
        ("5 + 5 = 10\n#### 1,000", "1000.0", {}, 1.0),
        ("so \\boxed{7} it is", "7", {}, 1.0),
        ("Paris", "paris", {}, 1.0),
        ("答案是42。", "42", {}, 1.0),
        ("It is hard to say.\nPerhaps 42, perhaps not.", "42", {}, 0.0),
        ("Answer: 41 or 42", "42", {}, 0.0),
        ("", "42", {}, 0.0),
        ("I like B, but A is wrong. Final answer: (B) because", "B", {"choices": "ABCD"}, 1.0),
        ("Bad cases abound, so C", "C", {"choices": ["A", "B", "C"]}, 1.0),
        ("Both of them", "B", {"choices": ["A", "B"]}, 0.0),
        ("The sentiment is not negative but positive", "positive", {"choices": ["positive", "negative"]}, 1.0),
    ],
)
def test_the_final_answer(text, reference, metadata, value):
    score = one("accuracy", text, reference, **metadata)
    assert score.value == value
    assert score.spans or "no answer was found" in score.reason


def test_numbers_are_compared_as_numbers():
    assert is_same("$1,250.00", "1250")
    assert is_same("50 %", "50%")
    assert not is_same("12", "1250")
    assert not is_same("no 12, no 13", "12")
    assert answer_in("The answer is blue.\nThanks").end == len("The answer is blue")


def test_lengths_and_patterns():
    assert [one("length:2-4", "w " * n).value for n in (1, 2, 4, 6, 8, 20)] == [0.5, 1, 1, 0.5, 0, 0]
    assert one("length:4", "四个字呀").value == 1.0
    assert one("length:9", "a b", length=[2, 2]).value == 1.0
    assert one(r"pattern:^\{.*\}$", "{a\nb}").value == 1.0
    assert one("pattern:!sorry", "I am sorry").value == 0.0
    (span,) = one("pattern:or+y", "I am sorry").spans
    assert (span.start, span.end) == (6, 10)


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("chrff", "Did you mean 'chrf'"),
        ("chrf:2", "Write chrf or chrf"),
        ("rouge:x", "no order"),
        ("length", "Write length:40-80"),
        ("length:5-2", "lower and an upper"),
        ("pattern:(", "no regular expression"),
        ("bleu:4", "takes nothing after a colon"),
        ("combined", "needs more than a word"),
        ("boosted", "A reward.toml can hold"),
    ],
)
def test_words_that_make_none_are_told(word, complaint):
    with pytest.raises(InputError) as error:
        rewards.make(word)
    assert complaint in str(error.value)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30), st.text(min_size=1, max_size=30), st.sampled_from([*LIKENESS, "accuracy", "length:3"]))
def test_any_text_gets_a_number_from_0_to_1(text, reference, word):
    score = one(word, text, reference)
    assert score.value is None or -1e-9 <= score.value <= 1 + 1e-9
