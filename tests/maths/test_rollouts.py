"""What is paid where, what is left out, and metrics of a rollout, by hand."""

from dataclasses import replace

import pytest
import torch

from burnish.maths import rollouts
from burnish.maths.batch import Batch, Outputs, length_mask

NAN = float("nan")
BATCH = Batch(
    length_mask([3, 2, 1]),
    torch.arange(3),
    rewards_B=torch.tensor([4.0, NAN, NAN]),
    token_rewards_BT=torch.tensor([[NAN, 1.0, NAN], [0.5, NAN, 9.0], [NAN, 7.0, 7.0]]),
    truncated_B=torch.tensor([True, False, False]),
)


def test_tokens_are_paid_where_they_stand_and_the_score_at_the_end():
    found = rollouts.paid_rewards(BATCH, truncation_penalty=1.0)
    assert found.tolist() == [[0.0, 1.0, 3.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert rollouts.paid_metric(BATCH)["paid"].tolist() == [5.0, 0.5, 0.0]
    assert rollouts.paid_metric(BATCH, truncation_penalty=3.0)["paid"].tolist() == [2.0, 0.5, 0.0]
    assert rollouts.whole_rewards(BATCH).tolist() == pytest.approx([5.0, NAN, NAN], nan_ok=True)
    assert rollouts.whole_rewards(replace(BATCH, token_rewards_BT=None)) is BATCH.rewards_B


def test_a_row_is_scored_by_its_score_or_by_one_of_its_own_tokens():
    assert rollouts.is_scored(BATCH).tolist() == [True, True, False]  # the last one's rewards stand on padding
    assert rollouts.is_scored(replace(BATCH, token_rewards_BT=None)).tolist() == [True, False, False]
    found = rollouts.with_counts(rollouts.without_unscored(BATCH))
    assert found.scalars == {"tokens": 5.0, "completions": 2.0}


def test_what_is_charged_is_the_log_ratio_of_the_token_drawn():
    old = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -1.0, NAN], [-1.0, NAN, NAN]])
    made = replace(BATCH, old_logprobs_BT=old, reference_logprobs_BT=torch.full((3, 3), -2.0))
    found = rollouts.charged(torch.zeros(3, 3), made, 0.5)
    assert found.tolist() == [[-0.5, 0.0, 0.5], [-0.5, -0.5, 0.0], [-0.5, 0.0, 0.0]]
    assert rollouts.with_entropy(torch.zeros(3, 3), made, 0.5).tolist() == [[0.5, 1.0, 1.5], [0.5, 0.5, 0], [0.5, 0, 0]]
    assert rollouts.charged(torch.ones(3, 3), BATCH, 0.0).eq(1).all()  # nothing is asked of the batch


def test_metrics_are_of_trained_tokens_and_of_no_others():
    """Trap T32: rubbish in padding is in no metric, and a row without tokens has none."""
    made = replace(
        BATCH,
        completion_mask_BT=length_mask([3, 1, 0]),
        behaviour_logprobs_BT=torch.tensor([[-1.0, -1.0, -1.0], [-2.0, NAN, NAN], [NAN, NAN, NAN]]),
        old_logprobs_BT=torch.tensor([[-1.0, -1.5, -2.0], [-1.0, NAN, NAN], [NAN, NAN, NAN]]),
    )
    kl = torch.tensor([[1.0, 2.0, 3.0], [4.0, NAN, NAN], [NAN, NAN, NAN]])
    found = rollouts.rollout_metrics(made, Outputs(logprobs_BT=torch.zeros(3, 3), kl_BT=kl, entropy_BT=kl))
    assert found["kl_nats"].tolist() == pytest.approx([6.0, 4.0, NAN], nan_ok=True)
    assert found["entropy"].tolist() == pytest.approx([2.0, 4.0, NAN], nan_ok=True)
    assert found["sampler_gap"].tolist() == pytest.approx([0.5, 1.0, NAN], nan_ok=True)
    assert set(found) == set(rollouts.METRICS)
