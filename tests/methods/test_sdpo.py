"""SDPO: both forms by hand, their gradients equal by exact enumeration, the blend with GRPO, what the teacher reads."""

from dataclasses import replace
from math import nan

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, given
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.maths.kl import kl_exact
from burnish.methods import grpo, sdpo
from burnish.records import Critique, Prompt

DOUBLE = torch.float64
PROMPT = Prompt.of("Count {to} three.")
BATCH = Batch(
    length_mask([2, 1, 2]),
    torch.tensor([0, 0, 0]),
    rewards_B=torch.tensor([1.0, 0.0, 2.0], dtype=DOUBLE),
    weights_BK=torch.tensor([[1.0], [2.0], [0.0]]),
    scalars={"max_new_tokens": 4.0},
)
LOGPROBS = torch.tensor([[-1.0, -2.0], [-3.0, nan], [-1.0, -1.0]], dtype=DOUBLE)
TEACHER = torch.tensor([[-0.5, -2.5], [-1.0, nan], [nan, nan]], dtype=DOUBLE)
KL = torch.tensor([[0.2, 0.4], [0.6, nan], [nan, nan]], dtype=DOUBLE)
OUTPUTS = Outputs(logprobs_BT=LOGPROBS, teacher_logprobs_BT=TEACHER, teacher_kl_BT=KL)


def share(config, outputs=OUTPUTS):
    return sdpo.loss(sdpo.targets(BATCH, config), outputs, config)


@pytest.mark.parametrize(
    ("normaliser", "expected"),
    [
        # by hand: weighted tokens 1*2 + 2*1 = 4, weighted completions 3, limit 4; the third is not taught
        ("token", [0.6 / 4, 2 * 0.6 / 4, 0.0]),
        ("completion", [0.3 / 3, 2 * 0.6 / 3, 0.0]),
        ("constant", [0.6 / 12, 2 * 0.6 / 12, 0.0]),
    ],
)
def test_the_divergence_by_hand(normaliser, expected):
    found, metrics = share(sdpo.Config(normaliser=normaliser))
    assert found.tolist() == pytest.approx(expected)
    assert metrics["taught"].tolist() == [1, 1, 0]
    assert metrics["teacher_kl_nats"].tolist() == pytest.approx([0.6, 0.6, nan], nan_ok=True)
    # by hand: (0.5 - 0.5) / 2 and 2
    assert metrics["teacher_gap"].tolist() == pytest.approx([0.0, 2.0, nan], nan_ok=True)


def test_the_log_ratio_by_hand():
    leaf = LOGPROBS.clone().requires_grad_(True)
    found, _ = share(sdpo.Config(form="log_ratio"), replace(OUTPUTS, logprobs_BT=leaf))
    # the ratio is 1: minus the advantages' sum, 0.5 - 0.5 and 2, over 4 weighted tokens
    assert found.tolist() == pytest.approx([0.0, -2 * 2 / 4, 0.0])
    found.sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [[-0.125, 0.125], [-1.0, 0.0], [0.0, 0.0]]


def test_both_forms_have_the_same_gradient_when_every_token_is_enumerated():
    """One step of a vocabulary of five: the one is the expectation of the other under the policy."""
    generator = torch.Generator().manual_seed(1)
    logits, teacher = (torch.randn(5, generator=generator, dtype=DOUBLE) for _ in range(2))
    gradients = []
    for form in ("kl", "log_ratio"):
        leaf = logits.clone().requires_grad_(True)
        log_V, teacher_V = torch.log_softmax(leaf, -1), torch.log_softmax(teacher, -1)
        batch = Batch(length_mask([1] * 5), torch.arange(5), weights_BK=log_V.detach().exp()[:, None])
        outputs = Outputs(
            logprobs_BT=log_V[:, None],
            teacher_logprobs_BT=teacher_V[:, None],
            teacher_kl_BT=kl_exact(log_V, teacher_V).expand(5)[:, None],
        )
        config = sdpo.Config(form=form)
        sdpo.loss(sdpo.targets(batch, config), outputs, config)[0].sum().backward()
        gradients.append(leaf.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-9)
    assert float(gradients[0].abs().max()) > 0.01


def test_grpo_has_its_share_of_all_completions_taught_or_not():
    config = sdpo.Config(learns_from="rollouts", grpo=0.25, normaliser="completion")
    same = grpo.Config(beta=0.0, normaliser="completion")
    found, metrics = share(config)
    alone, _ = share(replace(config, grpo=0.0))
    theirs, _ = grpo.loss(grpo.targets(BATCH, same), OUTPUTS, same)
    assert found.tolist() == pytest.approx((0.75 * alone + 0.25 * theirs).tolist())
    assert float(theirs[2]) != 0
    assert {"clip_share", "taught"} <= set(metrics)
    whole, _ = share(replace(config, grpo=1.0))
    assert whole.tolist() == pytest.approx(theirs.tolist())


def test_slices_of_a_window_add_up_with_grpo_too():
    config = sdpo.Config(learns_from="rollouts", grpo=0.5, form="log_ratio")
    batch = replace(BATCH, group_B=torch.tensor([0, 0, 1, 1]))
    batch = replace(
        batch,
        completion_mask_BT=length_mask([2, 1, 2, 1]),
        rewards_B=torch.tensor([1.0, 0.0, 2.0, 3.0], dtype=DOUBLE),
        weights_BK=torch.tensor([[1.0], [2.0], [0.0], [0.5]]),
    )
    outputs = Outputs(
        logprobs_BT=torch.cat([LOGPROBS, LOGPROBS[:1]]), teacher_logprobs_BT=torch.cat([TEACHER, TEACHER[:1]])
    )
    window = sdpo.targets(batch, config)
    whole, _ = sdpo.loss(window, outputs, config)
    for rows in (torch.tensor([0, 1]), torch.tensor([2, 3])):
        part = Outputs(logprobs_BT=outputs.logprobs_BT[rows], teacher_logprobs_BT=outputs.teacher_logprobs_BT[rows])
        assert sdpo.loss(window.slice(rows), part, config)[0].tolist() == pytest.approx(whole[rows].tolist())


def test_a_step_against_the_gradient_nears_the_teacher():
    logits = torch.zeros(1, 4, dtype=DOUBLE, requires_grad=True)
    teacher = torch.log_softmax(torch.tensor([[2.0, 0.0, 0.0, 0.0]], dtype=DOUBLE), -1)
    batch, config = Batch(length_mask([1]), torch.arange(1)), sdpo.Config()

    def divergence():
        log_V = torch.log_softmax(logits, -1)
        outputs = Outputs(
            logprobs_BT=log_V[:, :1],
            teacher_logprobs_BT=teacher[:, :1],
            teacher_kl_BT=kl_exact(log_V, teacher)[:, None],
        )
        return sdpo.loss(sdpo.targets(batch, config), outputs, config)[0].sum()

    before = divergence()
    before.backward()
    with torch.no_grad():
        logits -= 0.5 * logits.grad
    assert float(divergence().detach()) < float(before.detach())


def test_a_comment_is_what_the_teacher_reads_beside_the_prompt():
    critique = Critique(PROMPT, given(PROMPT, "1 2 4"), " 4 is wrong {here}. ", weight=2.0)
    [example] = sdpo.prepare([critique], sdpo.Config(), Tools())
    [row] = example.rows
    assert (row.prompt, row.completion, row.weight) == (PROMPT, critique.completion, 2.0)
    assert row.teacher is not None
    assert row.teacher.text.startswith("Count {to} three.\n\nAbout an earlier answer")
    assert "4 is wrong {here}." in row.teacher.text
    tools = Tools()
    with pytest.raises(InputError, match="no comment"):
        sdpo.prepare([replace(critique, text="")], sdpo.Config(), tools)
    assert tools.left_out == {"comment without words": 1}


def group(*rows):
    made = tuple(
        Row(PROMPT, given(PROMPT, text), score=score, reason=reason, fresh=True) for text, score, reason in rows
    )
    return [Example(made)]


def test_fresh_completions_are_taught_by_the_reward_s_reason_and_the_best_sibling():
    tools = Tools()
    rollouts = group(("one two", 0.0, "Incomplete."), ("1 2 3", 1.0, ""), ("3", nan, ""), ("1 2 3!", 1.0, "Shouted."))
    [example] = sdpo.choose(rollouts, sdpo.Config(learns_from="rollouts"), tools)
    worst, best, unscored, equal = example.rows
    assert worst.teacher is not None
    assert "Incomplete." in worst.teacher.text
    assert "did well:\n1 2 3\n" in worst.teacher.text
    assert (best.teacher, best.weight) == (None, 0.0)  # nothing is said of it, and no sibling is better
    assert (unscored.teacher, unscored.weight) == (None, 0.0)
    assert equal.teacher is not None
    assert "did well" not in equal.teacher.text
    assert tools.left_out == {"fresh completion of which nothing was said": 2}
    [alone] = sdpo.choose(rollouts, sdpo.Config(learns_from="rollouts", siblings="leave_out"), Tools())
    assert alone.rows[0].teacher is not None
    assert "did well" not in alone.rows[0].teacher.text


def test_what_it_needs_follows_from_whose_feedback_it_learns():
    needs = sdpo.needs(sdpo.Config())
    assert (needs.eats, needs.fresh, needs.views) == ((Critique,), False, ("teacher",))
    needs = sdpo.needs(sdpo.Config(learns_from="rollouts", grpo=0.5, beta=0.1))
    assert (needs.eats, needs.fresh, needs.views) == ((), True, ("teacher", "reference"))
    assert (needs.scored, needs.together) == (True, True)
    with pytest.raises(InputError, match="fresh completions"):
        sdpo.Config(grpo=0.5)
    with pytest.raises(InputError, match="grpo"):
        sdpo.Config(grpo=1.5, learns_from="rollouts")
