"""Pretraining: every token of raw text, long texts in pieces that lose nothing, and a twin that forgets."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import pretrain
from burnish.records import Completion, Demonstration, Prompt

DOUBLE = torch.float64
NOTHING_ASKED = Prompt(())


def raw(text: str, weight: float = 1.0) -> Demonstration:
    return Demonstration(NOTHING_ASKED, Completion(NOTHING_ASKED.id, text, token_ids=(1, 2)), weight)


def test_it_is_torch_s_cross_entropy():
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    labels = torch.tensor([[1, 2, 3], [4, -100, -100]])
    chosen = torch.log_softmax(logits, -1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    batch, config = Batch(length_mask([3, 1]), torch.arange(2)), pretrain.Config()
    found, metrics = pretrain.loss(pretrain.targets(batch, config), Outputs(logprobs_BT=chosen), config)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    assert float(found.sum()) == pytest.approx(float(expected), rel=1e-12)
    assert metrics["nll"][0].item() == pytest.approx(-float(chosen[0].mean()))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab \n", max_size=60), st.integers(1, 12))
def test_pieces_are_the_text_again_and_none_is_too_long(text, characters):
    found = list(pretrain.pieces(text, characters))
    assert "".join(found) == text
    assert all(0 < len(piece) <= characters for piece in found) or text == ""


def test_pieces_end_with_a_line_else_with_a_word():
    assert list(pretrain.pieces("one two\nthree four five", 12)) == ["one two\n", "three four ", "five"]
    assert list(pretrain.pieces("abcdefgh", 3)) == ["abc", "def", "gh"]


def test_raw_text_is_learned_from_and_answers_are_not():
    prompt = Prompt.of("?")
    signals = [raw("short", 2.0), Demonstration(prompt, Completion(prompt.id, "an answer")), raw("one two three")]
    found = [example.rows[0] for example in pretrain.prepare(signals, pretrain.Config(characters=8), Tools())]
    assert [(row.completion.text, row.weight) for row in found] == [("short", 2.0), ("one two ", 1.0), ("three", 1.0)]
    assert found[0].completion.token_ids == (1, 2)
    assert found[1].completion.token_ids is None  # they were the whole text's
    assert len({row.completion.id for row in found}) == 3
    assert [row.completion.finish_reason.value for row in found] == ["given", "length", "given"]  # trap T1


def test_answers_alone_are_sent_to_sft():
    prompt = Prompt.of("?")
    with pytest.raises(InputError, match="none of 1 signals is raw text"):
        pretrain.prepare([Demonstration(prompt, Completion(prompt.id, "x"))], pretrain.Config(), Tools())


def test_it_learns_the_frequencies_of_tokens_and_its_twin_avoids_them():
    tokens = torch.tensor([[0, 0, 1], [0, 1, 2]])
    config = pretrain.Config()
    batch = pretrain.targets(Batch(length_mask([3, 3]), torch.arange(2)), config)
    for sign, check in (
        (1, lambda p: p == pytest.approx([1 / 2, 1 / 3, 1 / 6, 0], abs=0.02)),
        (-1, lambda p: p[3] > 0.9),
    ):
        logits = torch.zeros(4, dtype=DOUBLE, requires_grad=True)
        for _ in range(150):
            share, _ = pretrain.loss(batch, Outputs(logprobs_BT=torch.log_softmax(logits, -1)[tokens]), config)
            (slope,) = torch.autograd.grad(sign * share.sum(), logits)
            logits = (logits - slope).detach().requires_grad_(True)
        assert check(torch.softmax(logits.detach(), -1).tolist())
