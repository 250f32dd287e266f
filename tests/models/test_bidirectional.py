"""An encoder's states: of each text alone, whoever stands beside it, and of the whole of it."""

from __future__ import annotations

import pytest
import torch

from burnish.models import bidirectional, encoder, small
from burnish.models.packing import pack

TEXTS = ["the good and the bad lamp", "a rose is red", "hello there"] * 3
PROMPTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13], [5, 6, 7]]
COMPLETIONS = [[20, 21, 22, 1], [23, 1, 1], list(range(30, 90)), [1]]
"""The last token of each is the place that no state is read at."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    small.make(folder, kind="encoder", texts=TEXTS, vocabulary=270, hidden=32, layers=2, scale=0.5, longest=80, seed=3)
    return encoder.load(folder).model


def states(model, prompts, completions) -> list[torch.Tensor]:
    packed = pack(prompts, [[each] for each in completions])
    with torch.no_grad():
        found = bidirectional.hidden_states(model, packed)
    return list(torch.split(found, packed.lengths_B))


def test_a_text_reads_alone_as_it_does_in_company(model):
    """Texts of unlike length, so that rows are padded and come in several lots; in any order."""
    together = states(model, PROMPTS, COMPLETIONS)
    order = [2, 0, 3, 1]
    moved = states(model, [PROMPTS[i] for i in order], [COMPLETIONS[i] for i in order])
    for number, (prompt, said) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        (alone,) = states(model, [prompt], [said])
        assert torch.allclose(together[number], alone, atol=1e-5)
        assert torch.allclose(moved[order.index(number)], alone, atol=1e-5)


def test_they_are_transformers_own_states_of_the_whole_text(model):
    for prompt, said, found in zip(PROMPTS, COMPLETIONS, states(model, PROMPTS, COMPLETIONS), strict=True):
        with torch.no_grad():
            expected = model(input_ids=torch.tensor([prompt + said[:-1]])).last_hidden_state[0]
        assert torch.allclose(found, expected[len(prompt) - 1 :], atol=1e-5)


def test_every_token_has_seen_what_comes_after_it_and_none_has_seen_the_last_place(model):
    (before,) = states(model, [[5, 6]], [[20, 21, 22, 1]])
    (other,) = states(model, [[5, 6]], [[20, 21, 99, 1]])
    assert (before - other).abs().amax(-1).min() > 1e-3
    (unseen,) = states(model, [[5, 6]], [[20, 21, 22, 99]])
    assert torch.equal(before, unseen)


def test_what_is_shifted_moves_its_own_text_alone(model):
    packed = pack([[5, 6], [7, 8]], [[[20, 21, 1]], [[22, 1]]])
    shift_NH = torch.zeros(len(packed.tokens_N), 32, requires_grad=True)
    first, second = torch.split(bidirectional.hidden_states(model, packed, shift_NH), packed.lengths_B)
    (expected, _) = states(model, [[5, 6], [7, 8]], [[20, 21, 1], [22, 1]])
    assert torch.equal(first.detach(), expected)
    first.square().sum().backward()
    moved_N = shift_NH.grad.abs().amax(-1) > 1e-6
    assert moved_N.tolist() == [True, True, True, True, False, False, False, False, False]
    assert second.shape == (2, 32)


def test_completions_that_share_a_prompt_are_refused(model):
    """They would all be seen by it, and through it by each other."""
    with pytest.raises(ValueError, match="share a prompt"):
        bidirectional.hidden_states(model, pack([[5, 6]], [[[20, 1], [21, 1]]]))
