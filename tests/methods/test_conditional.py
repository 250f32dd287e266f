"""Conditional training: which texts are good, what stands in front, and that sampling asks behind the good token."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish import examples
from burnish.errors import InputError
from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import conditional
from burnish.records import FinishReason, Prompt, Score

CONFIG = conditional.Config(without_token=0.0)


def score(value, number=0, **more):
    prompt = Prompt.of(f"Question {number}")
    return Score(prompt, examples.given(prompt, f"Answer {value}"), value, **more)


def tokens(signals, config=CONFIG, tools=None):
    found = {}
    for example in conditional.prepare(signals, config, tools or Tools()):
        [row] = example.rows
        found[row.completion.text.removeprefix("Answer ")] = row.prompt.text.partition("Question")[0]
    return found


def test_the_better_half_stands_behind_the_good_token():
    found = tokens([score(float(value), value) for value in (3, 1, 4, 2)])
    assert found == {"1.0": "<|bad|>", "2.0": "<|bad|>", "3.0": "<|good|>", "4.0": "<|good|>"}


@pytest.mark.parametrize(
    ("values", "quantile", "threshold"),
    [
        ([1, 2, 3, 4], 0.5, 3),
        ([1, 2, 3, 4], 0.75, 4),
        ([1, 2, 3, 4], 0.9, 4),  # nothing has nine tenths below it: the highest
        ([1, 5, 5, 5], 0.25, 5),
        ([1, 5, 5, 5], 0.5, 5),
        ([1, 1, 1, 5], 0.5, 5),
        ([2, 2], 0.5, 2),
    ],
)
def test_the_threshold_by_hand(values, quantile, threshold):
    found = conditional.thresholds([score(float(value)) for value in values], quantile)
    assert found == {"": threshold}


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.floats(0.05, 0.95))
@settings(max_examples=50, deadline=None)
def test_the_best_are_always_good_and_at_most_the_asked_share_is_unless_they_are_tied(values, quantile):
    [threshold] = conditional.thresholds([score(float(value)) for value in values], quantile).values()
    good = [value for value in values if value >= threshold]
    assert max(values) in good
    assert len(good) <= (1 - quantile) * len(values) + 1e-9 or set(good) == {max(values)}


def test_each_aspect_has_a_scale_of_its_own():
    signals = [
        score(1.0, aspect="style"),
        score(2.0, aspect="style"),
        score(10.0, aspect="facts"),
        score(90.0, aspect="facts"),
    ]
    assert tokens(signals) == {"1.0": "<|bad|>", "2.0": "<|good|>", "10.0": "<|bad|>", "90.0": "<|good|>"}


def test_at_use_the_good_token_stands_in_front_and_raw_text_begins_with_it():
    assert conditional.ask(Prompt.of("Question 4"), CONFIG).text == "<|good|>Question 4"
    assert conditional.ask(Prompt(()), CONFIG).text == "<|good|>"
    assert conditional.needs(CONFIG).tokens == ("<|good|>", "<|bad|>")


def test_now_and_then_a_text_is_learned_without_a_token():
    signals = [score(float(value), value) for value in range(200)]
    config = conditional.Config(without_token=0.25)
    found = tokens(signals, config)
    assert 30 < sum(token == "" for token in found.values()) < 70
    assert tokens(signals[::-1], config) == found  # the seed and the text decide, not the order
    assert tokens(signals, config, Tools(seed=1)) != found


def test_weight_goes_along_and_the_unscored_are_counted():
    tools = Tools()
    signals = [replace(score(1.0), weight=0.5), score(2.0), score(None)]
    examples = conditional.prepare(signals, CONFIG, tools)
    assert [example.rows[0].weight for example in examples] == [0.5, 1.0]
    assert tools.left_out == {"unscored": 1}


def test_nothing_scored_or_nothing_worse_is_an_error():
    with pytest.raises(InputError, match="no text is scored"):
        tokens([score(None)])
    with pytest.raises(InputError, match="scores are equal"):
        tokens([score(2.0), score(2.0, 1)])
    for wrong in ({"quantile": 1.0}, {"quantile": 0.0}, {"without_token": 1.0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            conditional.Config(**wrong)


def test_the_loss_is_the_mean_over_tokens():
    batch = conditional.targets(Batch(length_mask([2, 1]), torch.arange(2)), CONFIG)
    outputs = Outputs(logprobs_BT=torch.tensor([[-1.0, -2.0], [-6.0, 0.0]]))
    assert conditional.loss(batch, outputs, CONFIG)[0].tolist() == pytest.approx([1.0, 2.0])


def test_what_was_drawn_keeps_its_tokens_and_loses_the_sampler_s_log_probs():
    drawn = replace(score(1.0).completion, token_ids=(5, 6), logprobs=(-1.0, -2.0), finish_reason=FinishReason.LENGTH)
    [row], _ = (
        e.rows for e in conditional.prepare([replace(score(1.0), completion=drawn), score(2.0)], CONFIG, Tools())
    )
    assert row.completion.token_ids == (5, 6)  # without an end: it was cut off
    assert row.completion.logprobs is None
    assert row.completion.prompt_id == row.prompt.id
