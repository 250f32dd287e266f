"""Feedback-conditional policy: what stands beside the prompt in training and at use."""

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools, given
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import feedback_conditional
from burnish.records import Critique, FinishReason, Prompt

PROMPT = Prompt.of("What is {x}?", metadata={"topic": "letters"})
CONFIG = feedback_conditional.Config(wish="Wonderful.")
COMMENT = Critique(PROMPT, given(PROMPT, "A letter."), " Too short {sic}. ", weight=0.5)


def rows(*signals, config=CONFIG, tools=None):
    examples = feedback_conditional.prepare(signals, config, tools or Tools())
    return [row for example in examples for row in example.rows]


def test_the_answer_is_learned_beside_its_comment():
    [row] = rows(COMMENT)
    assert row.prompt.text == "What is {x}?\n\nAnswer in such a way that a reader will say:\nToo short {sic}."
    assert row.prompt.metadata == PROMPT.metadata
    assert (row.completion.text, row.weight, row.completion.prompt_id) == ("A letter.", 0.5, row.prompt.id)


def test_at_use_the_wish_stands_where_the_comment_stood():
    asked = feedback_conditional.ask(PROMPT, CONFIG)
    assert asked.text == rows(COMMENT)[0].prompt.text.replace("Too short {sic}.", "Wonderful.")


def test_opposite_comments_are_two_conditions():
    other = replace(COMMENT, text="Too long.")
    one, two = rows(COMMENT, other)
    assert one.completion.text == two.completion.text
    assert one.prompt.id != two.prompt.id


def test_a_revision_earns_the_wish():
    revised = replace(COMMENT, revision=" The 24th letter. ")
    assert [row.completion.text for row in rows(revised)] == ["A letter.", "The 24th letter."]
    assert rows(revised)[1].prompt == feedback_conditional.ask(PROMPT, CONFIG)
    assert len(rows(revised, config=replace(CONFIG, revisions="leave_out"))) == 1


def test_praise_is_a_condition_like_any_other():
    praise = Critique(PROMPT, given(PROMPT, "A pear."), "Great, keep it like this.", praises=True)
    (example,) = feedback_conditional.prepare([praise], feedback_conditional.Config(), Tools())
    assert "Great, keep it like this." in example.rows[0].prompt.messages[-1].content


def test_a_comment_without_words_is_counted_and_none_at_all_is_an_error():
    tools = Tools()
    with pytest.raises(InputError, match="no comment to learn from"):
        rows(replace(COMMENT, text=" "), tools=tools)
    assert tools.left_out == {"comment without words": 1}
    with pytest.raises(InputError, match="wish"):
        feedback_conditional.Config(wish=" ")


def test_the_loss_is_the_mean_over_tokens():
    batch = feedback_conditional.targets(Batch(length_mask([2, 1]), torch.arange(2)), CONFIG)
    outputs = Outputs(logprobs_BT=torch.tensor([[-1.0, -2.0], [-6.0, 0.0]]))
    assert feedback_conditional.loss(batch, outputs, CONFIG)[0].tolist() == pytest.approx([1.0, 2.0])


def test_what_was_drawn_keeps_its_tokens_and_loses_the_sampler_s_log_probs():
    drawn = replace(COMMENT.completion, token_ids=(5, 6), logprobs=(-1.0, -2.0), finish_reason=FinishReason.LENGTH)
    [row] = rows(replace(COMMENT, completion=drawn))
    assert row.completion.token_ids == (5, 6)  # without an end: it was cut off
    assert row.completion.logprobs is None
    assert row.completion.prompt_id == row.prompt.id
