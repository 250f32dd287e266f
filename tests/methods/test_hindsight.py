"""Chain of hindsight: what each answer is asked behind, both directions, probability, rankings, revisions."""

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools, given
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import hindsight
from burnish.records import Critique, FinishReason, Message, Preference, Prompt

PROMPT = Prompt.of("Sing.")
GOOD, MIDDLE, BAD = (given(PROMPT, text) for text in ("La la.", "La.", "No."))
PAIR = Preference(PROMPT, (BAD, GOOD), (1, 0), weight=3.0)
IMPROVING, WORSENING = hindsight.Config(order="improving"), hindsight.Config(order="worsening")


def said(row):
    return [*((message.role[0], message.content) for message in row.prompt.messages), row.completion.text]


def chains(signals, config, **tools):
    return [[said(row) for row in example.rows] for example in hindsight.prepare(signals, config, Tools(**tools))]


def test_a_chain_is_one_conversation_and_each_answer_a_row_asked_by_what_came_before():
    first = ("u", "Sing.\n\nGive a poor answer.")
    assert chains([PAIR], IMPROVING) == [
        [[first, "No."], [first, ("a", "No."), ("u", "Now give a better answer."), "La la."]]
    ]
    first = ("u", "Sing.\n\nGive a good answer.")
    assert chains([PAIR], WORSENING) == [
        [[first, "La la."], [first, ("a", "La la."), ("u", "Now give a worse answer."), "No."]]
    ]


def test_what_is_asked_at_use_is_what_stands_before_a_good_answer():
    [example] = hindsight.prepare([PAIR], WORSENING, Tools())
    assert hindsight.ask(PROMPT, WORSENING) == example.rows[0].prompt
    system = (Message("system", "Be kind."), Message("user", "Sing."), Message("assistant", "La"))
    assert [m.content for m in hindsight.ask(Prompt(system), WORSENING).messages] == [
        "Be kind.", "Sing.\n\nGive a good answer.", "La",
    ]  # fmt: skip


def test_a_chain_weighs_as_much_as_its_signal_and_p_parts_of_it_run_the_other_way():
    doubted = replace(PAIR, probability=0.75)
    examples = hindsight.prepare([doubted], IMPROVING, Tools())
    assert [[row.completion.text for row in example.rows] for example in examples] == [
        ["No.", "La la."],
        ["La la.", "No."],
    ]
    assert [sum(row.weight for row in example.rows) for example in examples] == pytest.approx([2.25, 0.75])


@pytest.mark.parametrize("probability", [0.5001, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("order", ["both", "improving", "worsening"])
def test_no_weight_is_lost_or_made(probability, order):
    examples = hindsight.prepare([replace(PAIR, probability=probability)], hindsight.Config(order=order), Tools())
    assert sum(row.weight for example in examples for row in example.rows) == pytest.approx(3.0)


def test_rankings_are_chains_of_one_answer_a_rank_and_what_was_not_compared_is_counted():
    ranking = Preference(PROMPT, (MIDDLE, BAD, GOOD, given(PROMPT, "Tied."), given(PROMPT, "?")), (1, 2, 0, 1, None))
    tools = Tools()
    [example] = hindsight.prepare([ranking], IMPROVING, tools)
    assert [row.completion.text for row in example.rows] == ["No.", "La.", "La la."]
    assert tools.left_out == {"completion tied or not compared": 2}


def test_a_revision_is_better_and_the_comment_stands_between():
    critique = Critique(PROMPT, BAD, "That is no song.", revision=" La! ")
    [[first, second]] = chains([critique], IMPROVING)
    assert first[-1] == "No."
    assert second[-2] == ("u", "A reader said about that answer: That is no song.\n\nNow give a better answer.")
    assert second[-1] == "La!"


def test_a_revision_that_comes_first_is_what_is_asked_for_at_use():
    critique = Critique(PROMPT, BAD, "That is no song.", revision="La!")
    [[first, second]] = chains([critique], WORSENING)
    assert first == [("u", hindsight.ask(PROMPT, WORSENING).text), "La!"]
    assert second[-2:] == [("u", "Now give a worse answer."), "No."]


def test_both_directions_occur_by_the_texts_alone():
    pairs = [replace(PAIR, prompt=Prompt.of(f"Sing {i}.")) for i in range(40)]
    found = chains(pairs, hindsight.Config(), seed=3)
    assert found == chains(pairs, hindsight.Config(), seed=4)
    assert found[::-1] == chains(pairs[::-1], hindsight.Config())
    assert 10 < sum("poor" in chain[0][0][1] for chain in found) < 30
    revised = [Critique(pair.prompt, BAD, "Bad.", revision="La.") for pair in pairs]
    assert 10 < sum("poor" in chain[0][0][1] for chain in chains(revised, hindsight.Config())) < 30


def test_ties_and_bare_comments_are_counted_and_nothing_left_is_an_error():
    tie = replace(PAIR, ranks=(0, 0))
    tools = Tools()
    with pytest.raises(InputError, match="1 x critique without a revision"):
        hindsight.prepare([tie, replace(PAIR, probability=0.5), Critique(PROMPT, BAD, "Bad.")], IMPROVING, tools)
    assert tools.left_out["preference without a better and a worse answer"] == 2
    with pytest.raises(InputError, match="there are no preferences"):
        hindsight.prepare([], IMPROVING, Tools())


def test_only_answers_are_trained_on():
    """By hand: the negative log-likelihood of the answers' tokens over their number; the words between cost nothing."""
    batch = Batch(length_mask([1, 2]), torch.tensor([0, 0]))
    found, _ = hindsight.loss(
        hindsight.targets(batch, IMPROVING), Outputs(logprobs_BT=torch.tensor([[-1.0, 0.0], [-2.0, -3.0]])), IMPROVING
    )
    assert found.tolist() == pytest.approx([1 / 3, 5 / 3])


def test_what_was_drawn_keeps_its_tokens_and_loses_the_sampler_s_log_probs():
    drawn = replace(GOOD, token_ids=(5, 6), logprobs=(-1.0, -2.0), finish_reason=FinishReason.LENGTH)
    [example] = hindsight.prepare([replace(PAIR, completions=(BAD, drawn))], IMPROVING, Tools())
    row = example.rows[1]
    assert row.completion.token_ids == (5, 6)  # without an end: it was cut off
    assert row.completion.logprobs is None
    assert row.completion.prompt_id == row.prompt.id
