import dataclasses

import pytest
import torch

from burnish.models import packing
from burnish.models.packing import lay, pack, shared_beginning
from burnish.models.policy import Policy
from burnish.records import Completion, Prompt

PROMPTS = [[5, 9, 12, 80], [7, 30], [100, 101, 102, 103, 104, 105, 106]]
COMPLETIONS = [
    [[20, 21, 22], [33], [40, 41, 42, 43, 44, 45, 1]],
    [[50, 51], [60, 61, 62]],
    [[70, 1]],
]
FLAT = [(prompt, completion) for prompt, group in zip(PROMPTS, COMPLETIONS, strict=True) for completion in group]


def test_the_layout_by_hand():
    packed = pack([[5, 6], [7]], [[[8, 9], [10]], [[11]]])
    assert packed.tokens_N.tolist() == [5, 6, 8, 9, 10, 7, 11]
    # each completion goes on where its prompt ends, each prompt begins anew
    assert packed.layout.positions_N.tolist() == [0, 1, 2, 3, 2, 0, 1]
    # the state that predicts a completion's first token is the prompt's last, its second the first's, ...
    assert packed.source_M.tolist() == [1, 2, 1, 5]
    assert packed.token_M.tolist() == [8, 9, 10, 11]
    assert packed.lengths_B == [2, 1, 1]
    assert packed.layout.last_U.tolist() == [4, 6]
    # a prompt with one completion is plain text and stands with the prompts; the others go on from theirs
    texts, completions = packed.layout.rows
    assert texts.token_RT.tolist() == [[0, 1], [5, 6]]
    assert texts.prompt_GP is None
    assert completions.token_RT.tolist() == [[4, 0], [2, 3]]
    assert completions.length_R.tolist() == [1, 2]
    assert completions.prompt_GP.tolist() == [[0, 1]]
    assert completions.group_R.tolist() == [0, 0]


def test_parts_of_unlike_length_do_not_share_rows_and_every_token_stands_once(monkeypatch):
    monkeypatch.setattr(packing, "SHORT", 4)
    layout = lay([[9, 3, 40], [3], [2, 2, 2], [10], [4], [1, 1]])
    assert [sorted(rows.length_R.tolist()) for rows in layout.rows] == [[2, 2, 3, 4], [9, 10], [2, 2, 3], [40]]
    flat = torch.cat([rows.token_RT.flatten() for rows in layout.rows])
    assert flat[layout.place_N].tolist() == list(range(len(layout.place_N)))
    assert lay([]).rows == ()


def test_unflatten_gives_rows_with_zero_beyond_the_end_and_lets_gradients_through():
    rows = pack([[5]], [[[8, 9], [10], [11, 12, 13]]])
    values = torch.arange(1.0, 7.0, requires_grad=True)
    found = rows.unflatten(values)
    assert found.tolist() == [[1, 2, 0], [3, 0, 0], [4, 5, 6]]
    found.square().sum().backward()
    assert values.grad.tolist() == [2, 4, 6, 8, 10, 12]


def test_an_empty_completion_has_no_tokens_and_moves_no_other():
    rows = pack([[5, 6]], [[[8], [], [9]]])
    assert rows.lengths_B == [1, 0, 1]
    assert rows.source_M.tolist() == [1, 1]
    assert rows.unflatten(torch.ones(2)).tolist() == [[1], [0], [1]]


def test_a_prompt_of_nothing_is_refused():
    with pytest.raises(ValueError, match="prompt 1 has no tokens"):
        pack([[5], []], [[[8]], [[9]]])


def test_no_prompts_are_refused_and_not_left_to_a_model_that_has_no_states_of_them(policy):
    with pytest.raises(ValueError, match="no prompts were given"):
        policy.states(policy.pack([], []))


# ------------------------------------------------------------------------------------- what all prompts begin with

ALIKE = [9, 8, 7, 6, 9, 8, 7, 6, 9, 8, 7, 6]
BEGIN_ALIKE = [[*ALIKE, *prompt] for prompt in PROMPTS]


def test_the_layout_of_prompts_that_begin_alike_by_hand(monkeypatch):
    monkeypatch.setattr(packing, "SHARED", 2)
    once = pack([[1, 2, 5, 6], [1, 2, 7]], [[[8, 9], [10]], [[11]]]).once
    assert once.tokens_N.tolist() == [1, 2, 5, 6, 8, 9, 10, 7, 11]
    assert once.layout.positions_N.tolist() == [0, 1, 2, 3, 4, 5, 4, 2, 3]
    assert once.source_M.tolist() == [3, 4, 3, 7]
    assert once.token_M.tolist() == [8, 9, 10, 11]
    assert once.layout.last_U.tolist() == [6, 8]
    beginning, going_on, completions = once.layout.rows
    assert (beginning.token_RT.tolist(), beginning.prompt_GP) == ([[0, 1]], None)
    assert (going_on.token_RT.tolist(), going_on.prompt_GP.tolist()) == ([[2, 3], [7, 8]], [[0, 1]])
    assert (completions.token_RT.tolist(), completions.prompt_GP.tolist()) == ([[6, 0], [4, 5]], [[0, 1, 2, 3]])
    assert [rows.shared for rows in once.layout.rows] == [0, 0, 2]


def test_how_much_prompts_share(monkeypatch):
    assert shared_beginning(BEGIN_ALIKE) == 12
    assert shared_beginning([each[1:] for each in BEGIN_ALIKE]) == 0  # few tokens are not worth it
    assert shared_beginning(BEGIN_ALIKE[:1]) == shared_beginning([]) == 0
    monkeypatch.setattr(packing, "SHARED", 1)
    assert shared_beginning([[1, 2, 3], [1, 2, 3]]) == 2  # one token is left, for its state predicts the completion
    assert shared_beginning([[1], [1]]) == 0
    assert shared_beginning([[1, 2, 3, 9], [1, 2, 4], [1, 2, 3, 8, 7]]) == 2
    plain = pack([[1, 2], [2, 1]], [[[3]], [[4]]])
    assert plain.once is plain


@pytest.mark.parametrize("asked", [BEGIN_ALIKE, [BEGIN_ALIKE[0]] * 3], ids=["alike", "equal"])
def test_laid_down_once_or_every_time_log_probs_and_gradients_are_the_same(trained, asked, monkeypatch):
    rows = pack(asked, COMPLETIONS)
    assert len(rows.once.tokens_N) == len(rows.tokens_N) - 2 * shared_beginning(asked) < len(rows.tokens_N)
    pull = torch.randn(len(rows.token_M), generator=torch.Generator().manual_seed(0))

    def of(packed):
        found = trained.statistics(packed, temperature=1.0, reference=False).logprobs
        return found, torch.autograd.grad((pull * found).sum(), list(trained.parameters().values()))

    once, of_once = of(rows)
    monkeypatch.setattr(packing, "SHARED", 1000)
    every_time, of_every_time = of(pack(asked, COMPLETIONS))
    assert torch.allclose(once, every_time, atol=1e-5)
    for mine, its in zip(of_once, of_every_time, strict=True):
        assert torch.allclose(mine, its, rtol=1e-3, atol=1e-4)
    assert once.std() > 0.5


def unpacked(policy: Policy, prompt: list[int], completion: list[int]) -> torch.Tensor:
    """The log-probs as anybody would get them: one row, no mask, no position ids."""
    logits = policy.model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0]
    return logits.log_softmax(-1)[len(prompt) - 1 : -1].gather(1, torch.tensor(completion)[:, None])[:, 0]


def test_packed_log_probs_are_the_unpacked_ones(trained):
    found = trained.statistics(pack(PROMPTS, COMPLETIONS), temperature=1.0, reference=False).logprobs
    expected = torch.cat([unpacked(trained, prompt, completion) for prompt, completion in FLAT])
    assert torch.allclose(found, expected, atol=1e-5)
    assert expected.std() > 0.5  # log-probs that are all alike would hide a shift


def test_packed_gradients_are_the_unpacked_ones(trained):
    rows = pack(PROMPTS, COMPLETIONS)
    pull = torch.randn(len(rows.token_M), generator=torch.Generator().manual_seed(0))

    def gradients(logprobs: torch.Tensor) -> dict[str, torch.Tensor]:
        parameters = trained.parameters()
        return dict(zip(parameters, torch.autograd.grad((pull * logprobs).sum(), parameters.values()), strict=True))

    found = gradients(trained.statistics(rows, temperature=1.0, reference=False).logprobs)
    expected = gradients(torch.cat([unpacked(trained, prompt, completion) for prompt, completion in FLAT]))
    for name, gradient in found.items():
        assert torch.allclose(gradient, expected[name], rtol=1e-3, atol=1e-4), name
    assert max(float(gradient.abs().max()) for gradient in found.values()) > 0.1


def test_no_completion_sees_another(trained):
    """Every completion is changed in turn, in place and in length; not a bit of any other's log-probs moves."""

    def logprobs(groups):
        rows = pack(PROMPTS, groups)
        return torch.split(trained.statistics(rows, temperature=1.0, reference=False).logprobs, rows.lengths_B)

    before = logprobs(COMPLETIONS)
    number = 0
    for row, group in enumerate(COMPLETIONS):
        for place, completion in enumerate(group):
            changed = [list(each) for each in COMPLETIONS]
            changed[row][place] = [*[(token + 50) % 272 for token in completion]]
            after = logprobs(changed)
            assert not torch.equal(after[number], before[number])
            for other, (mine, theirs) in enumerate(zip(after, before, strict=True)):
                assert other == number or torch.equal(mine, theirs)
            changed[row][place] = [*completion, 17, 18]
            for other, (mine, theirs) in enumerate(zip(logprobs(changed), before, strict=True)):
                assert other == number or torch.allclose(mine, theirs, atol=1e-5)
            number += 1


def test_a_group_is_packed_from_the_samplers_own_tokens(policy):
    """Never from the text: it may be tokenised in another way than it was sampled (trap T35)."""
    prompt = Prompt.of("the")
    good = policy.tokenizer("good", add_special_tokens=False)["input_ids"]
    letters = [policy.tokenizer(letter, add_special_tokens=False)["input_ids"][0] for letter in "good"]
    assert good != letters
    completion = Completion(prompt.id, "good", token_ids=tuple(letters))
    assert policy.pack([prompt], [[completion]]).token_M.tolist() == letters
    with pytest.raises(ValueError, match="no token ids"):
        policy.pack([prompt], [[dataclasses.replace(completion, token_ids=None)]])
