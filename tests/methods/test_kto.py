"""KTO: the loss against a slow one, the reference point, who stands beside whom, and a twin with the wrong sign."""

from dataclasses import replace
from math import exp, log, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import kto
from burnish.models.table import TablePolicy
from burnish.records import Completion, Preference, Prompt, Score
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig

DOUBLE = torch.float64
POLICY = torch.tensor([[-1.0, -2.0], [-3.0, 0.0], [-2.0, 0.0], [-1.0, -1.0], [-2.0, -1.5]], dtype=DOUBLE)
REFERENCE = torch.tensor([[-2.0, -3.0], [-2.0, 0.0], [-1.0, 0.0], [-2.0, -2.0], [-3.0, -1.0]], dtype=DOUBLE)
ROWS = Batch(
    length_mask([2, 1, 1, 2, 2]),
    torch.arange(5),
    rewards_B=torch.tensor([1.0, 0.0, nan, 1.0, 0.0]),  # a mismatched row has no say, whatever stands there
    mismatched_B=torch.tensor([False, False, False, True, True]),
    weights_BK=torch.tensor([[1.0], [3.0], [5.0], [7.0], [9.0]]),
    old_logprobs_BT=POLICY,
    reference_logprobs_BT=REFERENCE,
)


def run(batch=ROWS, policy=POLICY, **given_settings):
    config = kto.Config(**{"beta": 0.5, **given_settings})
    outputs = Outputs(logprobs_BT=policy, reference_logprobs_BT=REFERENCE[: len(policy)])
    return kto.loss(kto.targets(batch, config), outputs, config)


def sigma(x: float) -> float:
    return 1 / (1 + exp(-x))


def test_the_share_of_each_row():
    # by hand: log-ratios 2 (good), -1 (bad); the point from the two mismatched rows: (2 + 0.5) / 2
    found, metrics = run(desirable=1.5, undesirable=2.0)
    point = 0.5 * 1.25
    good, bad = 1.5 * (1 - sigma(1.0 - point)), 2.0 * (1 - sigma(point + 0.5))
    assert found.tolist() == pytest.approx([1 * good / 4, 3 * bad / 4, 0, 0, 0])
    assert metrics["kl_point"].tolist() == pytest.approx([point] * 5)
    assert metrics["desirable_reward"].tolist() == pytest.approx([1, nan, nan, nan, nan], nan_ok=True)
    assert metrics["undesirable_reward"].tolist() == pytest.approx([nan, -0.5, nan, nan, nan], nan_ok=True)


def test_the_point_is_never_negative_and_has_no_gradient():
    """Trap T30: clamped, detached, and of the policy before the window's first step."""
    below = replace(ROWS, old_logprobs_BT=REFERENCE - 1)
    assert run(below)[1]["kl_point"].tolist() == [0] * 5
    leaf = POLICY.clone().requires_grad_(True)
    run(policy=leaf)[0].sum().backward()
    assert leaf.grad is not None
    assert leaf.grad[3:].abs().sum() == 0  # mismatched rows measure, and are never trained on
    assert leaf.grad[:2].abs().sum() > 0
    assert torch.equal(run(policy=POLICY * 2)[1]["kl_point"], run()[1]["kl_point"])


def test_a_row_alone_in_its_slice_has_the_same_share():
    config = kto.Config(beta=0.5)
    batch = kto.targets(ROWS, config)
    whole, _ = run()
    for row in range(5):
        part = torch.tensor([row])
        outputs = Outputs(logprobs_BT=POLICY[part], reference_logprobs_BT=REFERENCE[part])
        assert kto.loss(batch.slice(part), outputs, config)[0].item() == pytest.approx(whole[row].item())


def test_the_gradient_is_that_of_finite_differences():
    leaf = POLICY.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: run(policy=values, desirable=1.5)[0], leaf)


def test_a_label_in_between_is_the_mean_of_the_two():
    shares = [run(replace(ROWS, rewards_B=torch.full((5,), g, dtype=DOUBLE)))[0] for g in (0.0, 0.3, 1.0)]
    assert torch.allclose(shares[1], 0.7 * shares[0] + 0.3 * shares[2], atol=1e-12)


def test_labels_that_may_be_flipped_cost_their_mean():
    turned = replace(ROWS, rewards_B=1 - ROWS.rewards_B)
    weights = {"desirable": 2.0, "undesirable": 0.5}
    found, metrics = run(label_smoothing=0.2, **weights)
    expected = 0.8 * run(**weights)[0] + 0.2 * run(turned, **weights)[0]
    assert torch.allclose(found, expected, rtol=1e-6)
    assert metrics["desirable_reward"].isfinite().tolist() == [True, False, False, False, False]  # whom people called
    assert torch.equal(run(label_smoothing=0.0)[0], run()[0])
    with pytest.raises(InputError, match="label_smoothing"):
        kto.Config(label_smoothing=0.5)


def test_with_equal_weights_smoothing_only_makes_steps_smaller():
    """The two sides of the loss add up to a constant: its slope is (1 - 2e) of what it was, everywhere."""
    leaf = POLICY.clone().requires_grad_(True)
    slopes = [torch.autograd.grad(run(policy=leaf, label_smoothing=e)[0].sum(), leaf)[0] for e in (0.0, 0.2)]
    assert torch.allclose(slopes[1], 0.6 * slopes[0], rtol=1e-6)
    dear = [
        torch.autograd.grad(run(policy=leaf, label_smoothing=e, desirable=3.0)[0].sum(), leaf)[0] for e in (0.0, 0.2)
    ]
    assert not torch.allclose(dear[1], 0.6 * dear[0], rtol=1e-2)


def test_zero_asks_for_no_view_of_the_old_policy():
    assert kto.needs(kto.Config(point="zero")).views == ("reference",)
    assert "old" in kto.needs(kto.Config()).views
    assert run(point="zero")[1]["kl_point"].tolist() == [0] * 5


# ---------------------------------------------------------------------------------------------------------- prepare


def score(asked: str, said: str, value: float | None, weight: float = 1.0) -> Score:
    prompt = Prompt.of(asked)
    return Score(prompt, Completion(prompt.id, said), value, weight=weight)


def test_scores_split_at_the_threshold_and_pairs_give_one_good_and_one_bad():
    prompt = Prompt.of("c")
    pair = Preference(prompt, (Completion(prompt.id, "x"), Completion(prompt.id, "y")), (1, 0), probability=0.8)
    signals = [
        score("a", "up", 2.5, weight=2.0),
        score("b", "down", 0.5),
        score("b", "between", 1.0),
        score("b", "unsaid", None),
        pair,
    ]
    found = kto.prepare(signals, kto.Config(threshold=1.0), Tools())
    rows = [example.rows[0] for example in found]
    assert [(row.completion.text, row.score, row.weight) for row in rows] == [
        ("up", 1.0, 2.0),
        ("down", 0.0, 1.0),
        ("y", 0.8, 1.0),
        ("x", pytest.approx(0.2), 1.0),
    ]
    assert all(len(example.rows) == 2 and example.rows[1].mismatched for example in found)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=12))
def test_every_completion_stands_once_beside_another_prompt(prompts):
    """Trap T30: a shift, never a reversal, whose middle row would face itself in an odd batch."""
    signals = [score(str(asked), str(n), 1.0) for n, asked in enumerate(prompts)]
    if len(set(prompts)) == 1:
        with pytest.raises(InputError, match="one prompt"):
            kto.prepare(signals, kto.Config(), Tools())
        return
    found = kto.prepare(signals, kto.Config(), Tools())
    assert [example.rows[0].completion.text for example in found] == [str(n) for n in range(len(prompts))]
    beside = [example.rows[1] for example in found if len(example.rows) == 2]
    for example in found:
        for row in example.rows[1:]:
            assert row.prompt.id == example.rows[0].prompt.id != row.completion.prompt_id
    assert len({row.completion.text for row in beside}) == len(beside)
    most = max(prompts.count(asked) for asked in prompts)
    assert most > len(prompts) / 2 or len(beside) == len(prompts)


def test_zero_makes_no_mismatched_rows_and_one_prompt_will_do():
    found = kto.prepare([score("a", "x", 1.0), score("a", "y", -1.0)], kto.Config(point="zero"), Tools())
    assert [len(example.rows) for example in found] == [1, 1]


# --------------------------------------------------------------------------------------------------------- learning


def learned(good: float) -> torch.Tensor:
    """Probabilities of five completions, of which the first was called good (1) or bad (0), the second the reverse."""
    logits = torch.zeros(5, dtype=DOUBLE, requires_grad=True)
    config = kto.Config(beta=1.0)
    reference = torch.full((3, 1), log(0.2), dtype=DOUBLE)
    for _ in range(100):
        logprobs = torch.log_softmax(logits, -1)[[0, 1, 2]][:, None]
        batch = Batch(
            length_mask([1, 1, 1]), torch.arange(3), rewards_B=torch.tensor([good, 1 - good, nan]),
            mismatched_B=torch.tensor([False, False, True]), old_logprobs_BT=logprobs.detach(),
            reference_logprobs_BT=reference,
        )  # fmt: skip
        outputs = Outputs(logprobs_BT=logprobs, reference_logprobs_BT=reference)
        (slope,) = torch.autograd.grad(kto.loss(kto.targets(batch, config), outputs, config)[0].sum(), logits)
        logits = (logits - slope).detach().requires_grad_(True)
    return torch.softmax(logits.detach(), -1)


def test_it_learns_and_its_twin_learns_the_opposite():
    right, wrong = learned(1.0), learned(0.0)
    assert right[0] > 0.5 > 0.05 > right[1]
    assert wrong[1] > 0.5 > 0.05 > wrong[0]


def test_in_a_course_the_point_is_nothing_at_first_and_then_the_divergence_that_is_seen():
    prompts = [Prompt.of("a"), Prompt.of("b")]
    table = TablePolicy(prompts, vocabulary=3, longest=2)
    good = [(1, 0), (2, 0)]
    signals = [Score(prompt, table.completion(prompt, y), 1.0) for prompt in prompts for y in good]
    places = [list(table.completions()).index(y) for y in good]
    course = Course(
        table, kto, kto.Config(beta=1.0), Material(signals=signals), CourseConfig(steps=3, examples_per_step=4),
        optimiser=OptimiserConfig(learning_rate=0.3, warmup_steps=1), walk=StepConfig(rows_per_slice=3), seed=1,
    )  # fmt: skip
    points = []
    for _ in range(3):
        with torch.no_grad():  # each completion stands once beside the other prompt: the mean of all log-ratios
            now, before = ([table.probabilities(p, reference=r)[places] for p in prompts] for r in (False, True))
            points.append(float(torch.cat([(a / b).log() for a, b in zip(now, before, strict=True)]).mean()))
        assert course.advance()["kl_point"] == pytest.approx(points[-1], abs=1e-6)
    assert points[0] == 0 < points[1] < points[2]
