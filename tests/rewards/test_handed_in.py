"""Rewards over something that is handed in: a classifier, an embedding, a judge."""

import json
import math

import numpy as np
import pytest

from burnish import rewards
from burnish.errors import InputError
from burnish.judges.asking.asker import Asker
from burnish.judges.rating import Rating
from burnish.judges.rubric import Checklist, Criterion, Rubric
from burnish.models.answering import Failure
from burnish.models.scripted import Scripted
from burnish.records import Completion, Prompt
from burnish.rewards.classifier import Classifier
from burnish.rewards.judged import Judged, mask_of
from burnish.rewards.similarity import Similarity


def texts(*said, reference=None, **metadata):
    prompts = [Prompt.of(f"q{i}", reference=reference, metadata=metadata) for i in range(len(said))]
    return prompts, [Completion(prompt.id, text) for prompt, text in zip(prompts, said, strict=True)]


def test_a_classifier_in_log_odds_within_limits():
    table = {"good": 0.9, "sure": 1.0, "bad": 0.2, "odd": float("nan")}

    def classify(texts):
        return [{"yes": table[text], "no": 1 - table[text]} if text in table else None for text in texts]

    found = Classifier(classify, "yes").score(*texts("good", "sure", "bad", "odd", "unknown"))
    assert [score.value for score in found] == [
        pytest.approx(math.log(9)),
        6.0,
        pytest.approx(-math.log(4)),
        None,
        None,
    ]
    assert found[2].reason == "P(yes) = 0.200, likeliest no"
    assert found[4].reason == "the classifier could not tell"
    assert Classifier(classify, "yes", unit="probability").score(*texts("good"))[0].value == 0.9
    assert Classifier(classify, "yes").score(*texts("bad", label="no"))[0].value == pytest.approx(math.log(4))
    with pytest.raises(InputError, match="no label 'maybe'"):
        Classifier(classify, "maybe").score(*texts("good"))


def test_similarity_to_the_nearest_reference():
    vectors = {"a": [1, 0], "b": [0, 2], "ab": [3, 3], "zero": [0, 0]}
    asked = []

    def embed(texts):
        asked.append(list(texts))
        return np.array([vectors[text] for text in texts], float)

    prompts, completions = texts("ab", "a", "zero", reference="a", references=["b"])
    found = Similarity(embed).score(prompts, completions)
    assert [score.value for score in found] == [pytest.approx(math.sqrt(0.5)), pytest.approx(1.0), None]
    assert found[1].reason == "nearest to 'a'"
    assert len(asked) == 1
    assert Similarity(embed).score(*texts("a"))[0].reason == "the prompt has no reference"
    assert Similarity(embed).score([], []) == []


def test_a_rubric_as_a_reward_shows_its_quotes():
    def say(question, seed):
        return json.dumps({"reason": "it does", "evidence": ["two million"], "verdict": "yes"})

    rubric = Rubric("r", (Criterion("counts", "Does it count?", evidence=True),))
    (score,) = Judged(Checklist(Asker(Scripted(say)), rubric)).score(*texts("It has two million people."))
    assert score.value == 1.0
    assert score.reason == "counts: yes"
    assert (score.spans[0].start, score.spans[0].end, score.spans[0].label) == (7, 18, "counts")
    assert len(score.feedback_ids) == 1


def test_a_judge_by_a_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.toml").write_text('[[criteria]]\nid = "a"\nquestion = "Is it?"\n', "utf-8")
    script = Scripted(lambda question, seed: '{"rating": 6, "verdict": "yes"}')
    monkeypatch.setattr("burnish.judges.asking.backends.sampler_of", lambda name, purse: script)
    for word, value in (("judged:rating@m", 6.0), ("judged:r.toml@m", 1.0), ("judged:rating@m", 6.0)):
        (score,) = rewards.make(word).score(*texts("text"))
        assert score.value == value
    assert len(script.asked) == 2  # the third was answered from the file
    found = rewards.make("judged:rating@openai:https://8.8.8.8/v1#m").score(*texts("write to ana@example.org"))
    assert found[0].value == 6.0
    assert "ana@example.org" not in script.asked[-1].text  # it would leave the machine
    for word in ("judged", "judged:rating", "judged:grade@m"):
        with pytest.raises(InputError, match="names no judge"):
            rewards.make(word)


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("http://127.0.0.1:8000", False),
        ("http://localhost:8000", False),
        ("http://[::1]:8000", False),
        ("http://192.168.1.7:8000", True),
        ("http://10.0.0.3", True),
        ("http://[fd00::1]:8000", True),
        ("https://8.8.8.8", True),
    ],
)
def test_only_what_stays_on_this_machine_is_not_masked(address, masked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mask = mask_of(f"openai:{address}/v1#m")
    said = ["write to ana@example.org"]
    assert (mask is not None and "ana@" not in mask(said)[0]) == masked


def test_a_failed_judgement_is_not_scored_and_a_judge_out_of_order_is_told():
    def say(question, seed):
        return Failure("time-out") if "lost" in question.text else "rating: 7"

    reward = Judged(Rating(Asker(Scripted(say))))
    found = reward.score(*texts("one", "two", "lost"))
    assert [score.value for score in found] == [7.0, 7.0, None]
    assert found[2].reason == "time-out"
    with pytest.raises(InputError, match="2 of 3 judgements failed"):
        reward.score(*texts("lost", "lost", "one"))
