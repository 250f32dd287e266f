"""The table is exact: probabilities sum to one, log-probs are those of the draws, it becomes what it is told to be."""

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Row
from burnish.models.table import END, TablePolicy
from burnish.records import Completion, FinishReason, Prompt, Sampling

ASKED = [Prompt.of("a"), Prompt.of("b")]


def a_table(**more) -> TablePolicy:
    return TablePolicy(ASKED, vocabulary=4, longest=3, seed=1, **more)


def test_all_completions_together_are_certain():
    table = a_table()
    every = list(table.completions())
    assert len(set(every)) == len(every) == 1 + 3 + 9 + 27
    for prompt in ASKED:
        assert float(table.probabilities(prompt).detach().sum()) == pytest.approx(1, abs=1e-12)


def test_the_log_probs_of_a_draw_are_those_of_the_outputs():
    table = a_table()
    groups = table.sample(ASKED, Sampling(), n=5, seed=3)
    rows = [Row(p, c) for p, group in zip(ASKED, groups, strict=True) for c in group]
    outputs = table.outputs(table.inputs(rows, 3), reference=True)
    for number, row in enumerate(rows):
        said = row.completion
        found = outputs.logprobs_BT[number, : len(said.token_ids)].tolist()
        assert found == pytest.approx(said.logprobs, abs=1e-12)
        assert (said.finish_reason is FinishReason.STOP) == (said.token_ids[-1] == END)
    assert float(outputs.kl_BT.detach().abs().max()) == 0


def test_a_seed_gives_the_same_draws_whatever_else_is_drawn():
    table = a_table()
    both, one = table.sample(ASKED, Sampling(), n=4, seed=3), table.sample(ASKED[1:], Sampling(), n=2, seed=3)
    assert [c.token_ids for c in both[1][:2]] == [c.token_ids for c in one[0]]


def test_a_beginning_is_gone_on_with():
    found = a_table().continuations(ASKED, [[1, 2], [3]], n=3, seed=0)
    assert all(c.token_ids[:2] == (1, 2) and len(c.token_ids) == 3 for c in found[0])
    assert all(c.token_ids[0] == 3 for c in found[1])


def test_it_becomes_what_it_is_told_to_be():
    table = a_table()
    wanted = torch.rand(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    table.become(ASKED[1], wanted)
    assert torch.allclose(table.probabilities(ASKED[1]).detach(), wanted / wanted.sum(), atol=1e-12)
    assert torch.allclose(table.probabilities(ASKED[1], reference=True), wanted / wanted.sum(), atol=1e-12)


def test_heads_are_read_before_and_after_a_token():
    table = a_table(heads={"value": 1, "q": 2, "reward": 3})
    row = Row(ASKED[0], table.completion(ASKED[0], [2, 1, 0]))
    outputs = table.outputs(table.inputs([row], 3))
    assert outputs.values_BT.shape == (1, 3)
    assert outputs.q_BTKV.shape == (1, 3, 2, 4)
    assert torch.equal(outputs.rewards_BK, outputs.token_rewards_BTK[:, 2])
    node = table._nodes(ASKED[0].id, [2, 1, 0], 3)[1]
    assert torch.equal(outputs.token_rewards_BTK[0, 1], table.tables["reward"][node, :, 1])


def test_what_it_cannot_say_is_refused_by_name():
    with pytest.raises(InputError, match="no completion it knows"):
        a_table().inputs([Row(Prompt.of("c"), Completion("", "1 0"))], 2)
