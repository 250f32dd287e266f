"""Weighted SFT: the weights by hand, the tilted writer at the optimum, and a twin with the wrong sign."""

from math import exp, log

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import sft, weighted_sft
from burnish.records import Completion, Demonstration, Prompt, Score

DOUBLE = torch.float64


def scored(asked: str, value: float | None, weight: float = 1.0) -> Score:
    prompt = Prompt.of(asked)
    return Score(prompt, Completion(prompt.id, f"{asked}{value}"), value, weight=weight)


SIGNALS = [scored("a", 1.0), scored("a", 3.0, weight=2.0), scored("b", 8.0), scored("a", None)]


def weights(**settings) -> list[float]:
    found = weighted_sft.prepare(SIGNALS, weighted_sft.Config(**settings), Tools())
    return [example.rows[0].weight for example in found]


def test_an_advantage_is_over_the_prompt_s_own_mean():
    # by hand: means 2 of a's two, 4 of all three, which b's single one is measured by; what was not scored is left out
    assert weights() == pytest.approx([exp(-1), 2 * exp(1), 20.0])
    assert weights(temperature=2.0) == pytest.approx([exp(-0.5), 2 * exp(0.5), exp(2)])


def test_a_reward_is_over_the_mean_of_all():
    assert weights(weights="reward", temperature=4.0) == pytest.approx([exp(-3 / 4), 2 * exp(-1 / 4), exp(1)])
    assert weights(weights="reward", cap=1.5) == pytest.approx([exp(-3), 2 * exp(-1), 1.5])


def test_an_enormous_score_is_clipped_and_not_infinite():
    found = weighted_sft.prepare([scored("a", 0.0), scored("a", 1e6)], weighted_sft.Config(), Tools())
    assert [example.rows[0].weight for example in found] == pytest.approx([0, 20])


def test_given_weights_are_the_demonstrations_own_and_no_score_is_asked_for():
    prompt = Prompt.of("?")
    shown = Demonstration(prompt, Completion(prompt.id, "x"), weight=0.3)
    config = weighted_sft.Config(weights="given")
    assert [e.rows[0].weight for e in weighted_sft.prepare([shown, *SIGNALS], config, Tools())] == [0.3]
    assert weighted_sft.needs(config).eats == (Demonstration,)
    beside = weighted_sft.prepare([shown, *SIGNALS], weighted_sft.Config(), Tools())
    assert len(beside) == 4
    assert beside[0].rows[0].weight == 0.3


@pytest.mark.parametrize("normaliser", ["token", "completion"])
def test_the_loss_is_that_of_sft_with_these_weights(normaliser):
    batch = Batch(length_mask([2, 1]), torch.arange(2), weights_BK=torch.tensor([[0.3], [2.0]]))
    logprobs = torch.tensor([[-1.0, -2.0], [-0.5, 0.0]], dtype=DOUBLE)
    found = []
    for method in (weighted_sft, sft):
        config = method.Config(normaliser=normaliser)
        share, metrics = method.loss(method.targets(batch, config), Outputs(logprobs_BT=logprobs), config)
        found.append(share.tolist())
    assert found[0] == found[1]
    assert "weight" not in metrics


def test_what_a_corrector_left_weighs_less_than_what_was_put_there():
    nan = float("nan")
    labels = torch.tensor([[nan, 1.0, nan], [nan, nan, nan]])  # the second row is no correction
    batch = Batch(length_mask([3, 2]), torch.arange(2), token_labels_BT=labels, weights_BK=torch.tensor([[2.0], [1.0]]))
    config = weighted_sft.Config(weights="given", kept=0.1)
    batch = weighted_sft.targets(batch, config)
    logprobs = torch.tensor([[-1.0, -2.0, -4.0], [-0.5, -0.5, 0.0]], dtype=DOUBLE)
    loss, _ = weighted_sft.loss(batch, Outputs(logprobs_BT=logprobs), config)
    # by hand: weights of tokens 0.1, 1, 0.1 and 1, 1; of rows 2 and 1
    assert batch.scalars["weight"] == pytest.approx(2 * 1.2 + 2)
    assert loss.tolist() == pytest.approx([2 * (0.1 + 2 + 0.4) / 4.4, 1 / 4.4])
    by_row = weighted_sft.Config(weights="given", kept=0.1, normaliser="completion")
    loss, _ = weighted_sft.loss(weighted_sft.targets(batch, by_row), Outputs(logprobs_BT=logprobs), by_row)
    assert loss.tolist() == pytest.approx([2 * (2.5 / 1.2) / 3, 0.5 / 3])
    alike = weighted_sft.Config(weights="given")
    loss, _ = weighted_sft.loss(weighted_sft.targets(batch, alike), Outputs(logprobs_BT=logprobs), alike)
    assert loss.tolist() == pytest.approx([2 * 7 / 8, 1 / 8])


def learned(sign: float) -> torch.Tensor:
    """The policy after descent on 10 completions of one token, 5 + 3 + 2 of them, scored 0, 1 and 2 times the sign."""
    written, values = [0] * 5 + [1] * 3 + [2] * 2, [0.0, 1.0, 2.0]
    prompt = Prompt.of("?")
    signals = [Score(prompt, Completion(prompt.id, str(each)), sign * values[each]) for each in written]
    config = weighted_sft.Config()
    rows = [example.rows[0] for example in weighted_sft.prepare(signals, config, Tools())]
    batch = Batch(
        length_mask([1] * 10), torch.arange(10), weights_BK=torch.tensor([[row.weight] for row in rows], dtype=DOUBLE)
    )
    logits = torch.zeros(3, dtype=DOUBLE, requires_grad=True)
    for _ in range(200):
        logprobs = torch.log_softmax(logits, -1)[written][:, None]
        share, _ = weighted_sft.loss(weighted_sft.targets(batch, config), Outputs(logprobs_BT=logprobs), config)
        (slope,) = torch.autograd.grad(share.sum(), logits)
        logits = (logits - 2 * slope).detach().requires_grad_(True)
    return torch.softmax(logits.detach(), -1)


def test_the_optimum_is_the_writer_tilted_by_the_scores_and_the_twin_s_is_tilted_the_other_way():
    for sign in (1.0, -1.0):
        tilted = torch.tensor([log(0.5), log(0.3) + sign, log(0.2) + 2 * sign], dtype=DOUBLE)
        assert learned(sign).tolist() == pytest.approx(torch.softmax(tilted, -1).tolist(), abs=1e-6)
    assert learned(1.0).argmax() == 2
    assert learned(-1.0).argmax() == 0


@pytest.mark.parametrize(("field", "value"), [("temperature", 0.0), ("cap", 0.5), ("label_smoothing", 0.5)])
def test_settings_that_make_no_sense_are_refused(field, value):
    with pytest.raises(InputError, match=field):
        weighted_sft.Config(**{field: value})
