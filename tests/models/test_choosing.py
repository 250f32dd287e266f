"""Log-probs of answers that were not drawn, against the model's own logits one token at a time."""

import pytest
import torch

from burnish.judges.asking.asker import Asker
from burnish.judges.comparison import Comparison
from burnish.models.answering import Choosing
from burnish.models.choosing import PROMPTS_AT_ONCE, EngineChooser
from burnish.records import Completion, Prompt

OPTIONS = ("good", "bad", "1", "10")


def by_hand(policy, prompt, option):
    """log P(option's tokens, then the end) by one forward pass of transformers' own model."""
    asked = policy.encode(prompt)
    said = [*policy.tokenizer.encode(option, add_special_tokens=False), min(policy.end_ids)]
    with torch.no_grad():
        logits = policy.model(torch.tensor([asked + said])).logits[0].float()
    table = torch.log_softmax(logits, -1)
    return sum(float(table[len(asked) - 1 + place, token]) for place, token in enumerate(said))


def test_options_of_one_and_of_several_tokens(policy):
    prompts = [Prompt.of("Is it good?"), Prompt.of("From 1 to 10, how good is the bad one?")]
    found = EngineChooser(policy).choose(prompts, OPTIONS)
    for prompt, choice in zip(prompts, found, strict=True):
        for option in OPTIONS:
            assert choice[option] == pytest.approx(by_hand(policy, prompt, option), abs=1e-4), option


def test_the_batch_a_question_rides_in_changes_nothing(policy):
    prompts = [Prompt.of("word " * k + "?") for k in range(PROMPTS_AT_ONCE + 3)]
    chooser = EngineChooser(policy)
    alone = [chooser.choose([prompt], OPTIONS)[0] for prompt in prompts]
    for one, other in zip(alone, chooser.choose(prompts, OPTIONS), strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    assert chooser.choose([], OPTIONS) == []


def test_an_adapter_is_heeded_or_left_out(trained):
    prompt = Prompt.of("Is it good?")
    (on,) = EngineChooser(trained).choose([prompt], OPTIONS)
    (off,) = EngineChooser(trained, adapter=False).choose([prompt], OPTIONS)
    assert on["good"] == pytest.approx(by_hand(trained, prompt, "good"), abs=1e-4)
    with trained.adapter_off():
        assert off["good"] == pytest.approx(by_hand(trained, prompt, "good"), abs=1e-4)
    assert abs(on["good"] - off["good"]) > 1e-3


def test_a_judge_in_this_process_gives_soft_labels(policy):
    chooser = EngineChooser(policy, name="tiny@1")
    assert isinstance(chooser, Choosing)
    prompt = Prompt.of("q")
    pair = [Completion(prompt.id, "good"), Completion(prompt.id, "bad")]
    judge = Comparison(Asker(chooser))
    assert judge.by_logprobs
    (verdict,) = judge.verdicts([prompt], [pair])
    (swapped,) = judge.verdicts([prompt], [pair[::-1]])
    assert verdict.value == pytest.approx(1 - swapped.value, abs=1e-4)
    assert verdict.feedback.author.id.startswith("tiny@1/comparison-")
