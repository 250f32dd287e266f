"""Process reward: labels at the steps' last tokens, both distances, and a twin with the wrong sign."""

from dataclasses import replace
from math import exp, log, nan

import pytest
import torch

from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import process_reward
from burnish.models.table import TablePolicy
from burnish.records import Completion, Critique, Prompt, Score, Span
from burnish.training.window import window

DOUBLE = torch.float64
REWARDS = torch.tensor([[[9.0], [2.0], [-1.0]], [[0.5], [7.0], [7.0]]], dtype=DOUBLE)
WINDOW = Batch(
    length_mask([3, 1]),
    torch.arange(2),
    token_labels_BT=torch.tensor([[nan, 1.0, 0.25], [0.0, 1.0, nan]]),  # the second row's second place is padding
    weights_BK=torch.tensor([[1.0], [3.0]]),
)


def run(batch=WINDOW, rewards=REWARDS, **settings):
    config = process_reward.Config(**{"heads": 1, **settings})
    outputs = Outputs(token_rewards_BTK=rewards)
    return process_reward.loss(process_reward.targets(batch, config), outputs, config)


def cost(logit: float, label: float) -> float:
    return label * log(1 + exp(-logit)) + (1 - label) * log(1 + exp(logit))


def test_the_share_of_each_completion():
    found, metrics = run()
    # by hand: two labelled steps of weight 1, one of weight 3
    assert found.tolist() == pytest.approx([(cost(2, 1) + cost(-1, 0.25)) / 5, 3 * cost(0.5, 0) / 5])
    assert metrics["step_accuracy"].tolist() == [1, 0]
    assert metrics["wrong_found"].tolist() == [1, 0]


def test_every_completion_weighs_the_same_where_that_is_asked():
    found, _ = run(normaliser="completion")
    assert found.tolist() == pytest.approx([(cost(2, 1) + cost(-1, 0.25)) / 2 / 4, 3 * cost(0.5, 0) / 4])


def test_squared_the_reward_is_the_probability_itself():
    found, _ = run(against="squared")
    assert found.tolist() == pytest.approx([(1 / 2 + 1.25**2 / 2) / 5, 3 * 0.5**2 / 2 / 5])


def test_two_heads_have_weights_of_their_own():
    both = replace(WINDOW, weights_BK=torch.tensor([[1.0, 0.0], [3.0, 1.0]]))
    found, _ = run(both, REWARDS.expand(-1, -1, 2), heads=2)
    assert found.tolist() == pytest.approx([(cost(2, 1) + cost(-1, 0.25)) / 6, 4 * cost(0.5, 0) / 6])


def test_labels_stay_probabilities_and_a_soft_one_is_learned_exactly():
    """Two steps that end in one token add their labels; the best logit of a soft label is log(y / (1 - y))."""
    added = replace(WINDOW, token_labels_BT=torch.tensor([[nan, 2.0, 0.25], [-3.0, nan, nan]]))
    expected = replace(WINDOW, token_labels_BT=torch.tensor([[nan, 1.0, 0.25], [0.0, nan, nan]]))
    assert run(added)[0].tolist() == run(expected)[0].tolist()
    leaf = REWARDS.clone()
    leaf[0, 2] = log(0.25 / 0.75)
    leaf.requires_grad_(True)
    run(rewards=leaf)[0].sum().backward()
    assert leaf.grad is not None
    assert leaf.grad[0, 2].item() == pytest.approx(0, abs=1e-12)
    assert leaf.grad[0, 0].item() == leaf.grad[1, 1].item() == 0  # nothing was said of it, or it is padding


def test_labels_that_may_be_flipped_cost_their_mean():
    turned = replace(WINDOW, token_labels_BT=1 - WINDOW.token_labels_BT)
    found, metrics = run(label_smoothing=0.2)
    assert found.tolist() == pytest.approx((0.8 * run()[0] + 0.2 * run(turned)[0]).tolist())
    assert torch.equal(run(label_smoothing=0.0)[0], run()[0])
    assert metrics["step_accuracy"].tolist() == [1, 0]  # against what was said
    leaf = torch.tensor([[[9.0], [log(0.8 / 0.2)], [0.0]], [[log(0.2 / 0.8)], [7.0], [7.0]]], dtype=DOUBLE)
    leaf.requires_grad_(True)
    (slope,) = torch.autograd.grad(run(rewards=leaf, label_smoothing=0.2)[0].sum(), leaf)
    assert slope[[0, 1], [1, 0]].abs().max() < 1e-7  # sure labels ask for 1 - e, and no more


def test_the_gradient_is_that_of_finite_differences():
    leaf = REWARDS.clone().requires_grad_(True)
    for against in ("cross_entropy", "squared"):
        assert torch.autograd.gradcheck(lambda values, how=against: run(rewards=values, against=how)[0], leaf)


def test_a_step_s_label_stands_on_its_last_character():
    prompt = Prompt.of("2 + 2 * 2")
    said = Completion(prompt.id, "2 * 2 = 4. 4 + 2 = 7.")
    steps = (Span(0, 10, "step", 1.0), Span(11, 21, "step", -2.0), Span(3, 4, "", 0.4))
    signals = [
        Score(prompt, said, None, spans=steps),  # steps without a score of the whole
        Critique(prompt, said, "wrong sum", spans=steps[1:2], weight=2.0),
        Score(prompt, said, 1.0),
    ]
    found = process_reward.prepare(signals, process_reward.Config(), Tools())
    assert [[(span.start, span.end, span.severity) for span in each.rows[0].spans] for each in found] == [
        [(9, 10, 1.0), (20, 21, 0.0), (3, 4, 0.4)],
        [(20, 21, 0.0)],
    ]
    assert found[1].rows[0].weight == 2.0


def test_it_learns_the_labels_and_its_twin_the_reverse():
    labels = WINDOW.token_labels_BT
    assert labels is not None
    for sign, given in ((1, labels), (-1, 1 - labels)):
        rewards = torch.zeros(2, 3, 1, dtype=DOUBLE, requires_grad=True)
        for _ in range(50):
            (slope,) = torch.autograd.grad(run(replace(WINDOW, token_labels_BT=given), rewards)[0].sum(), rewards)
            rewards = (rewards - 2 * slope).detach().requires_grad_(True)
        assert sign * rewards[0, 1] > 1
        assert sign * rewards[1, 0] < -1


def test_in_a_window_the_label_is_that_of_the_step_s_last_token():
    """Trap T6: by characters to tokens, whatever the tokenizer; here a token is a digit and the blank before it."""
    prompt = Prompt.of("?")
    table = TablePolicy([prompt], vocabulary=4, longest=4, heads={"reward": 1})
    said = table.completion(prompt, (1, 2, 3, 0))  # "1 2 3 0"
    signals = [Score(prompt, said, None, spans=(Span(0, 3, severity=0.7), Span(3, 7, severity=-1.0)))]
    config = process_reward.Config(heads=1)
    examples = process_reward.prepare(signals, config, Tools())
    batch, _ = window(table, examples, process_reward.needs(config), rows_per_slice=8, max_new_tokens=4, seed=0)
    assert batch.token_labels_BT.tolist() == [pytest.approx([nan, 0.7, nan, 0.0], nan_ok=True)]


def test_a_text_is_worth_its_steps_together_and_each_is_paid_what_it_changes():
    places = [(0, 1), (1, 3), (3, 4), (4, 5)]  # "1", "+1", a line's end, "2"
    readings = torch.tensor([[9.0], [0.8], [9.0], [0.5]], dtype=DOUBLE)
    asked = {"against": "squared"}
    for whole, expected in (
        ("sum", [0.8, 0.5]), ("product", [0.8, 0.4 - 0.8]), ("min", [0.8, -0.3]), ("mean", [0.8, 0.65 - 0.8]),
        ("last", [0.8, -0.3]),
    ):  # fmt: skip
        paid = process_reward.pay(readings, "1+1\n2", places, process_reward.Config(whole=whole, **asked))
        assert paid[:, 0].tolist() == pytest.approx([nan, expected[0], nan, expected[1]], nan_ok=True)
    nothing = process_reward.pay(readings, "\n", [(0, 1), *places[1:]], process_reward.Config(whole="min"))
    assert nothing.isnan().all()


def test_a_text_of_more_steps_is_not_worth_more_by_its_worst_one():
    """What is chosen among texts: by their sum the longer one, by its worst step or all of them the better one."""
    readings = torch.tensor([[2.0], [-2.0], [1.0], [1.5]], dtype=DOUBLE)
    places = [(0, 1), (2, 3), (4, 5), (6, 7)]

    def worth(text: str, whole: str) -> float:
        few = len(text.split())
        paid = process_reward.pay(readings[:few], text, places[:few], process_reward.Config(separator=" ", whole=whole))
        return float(paid.nansum())

    assert worth("a b c d", "sum") > worth("a", "sum")
    for whole in ("product", "min", "mean"):
        assert worth("a b c d", whole) < worth("a", whole)
    assert worth("a b c d", "min") == pytest.approx(1 / (1 + exp(2)))
