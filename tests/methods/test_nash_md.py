"""Nash-MD: the mixture, independent opponents, the exact gradient, and the equilibrium of preferences in a circle."""

import math
from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Example, Tools
from burnish.maths.batch import Says
from burnish.maths.rollouts import paid_rewards
from burnish.methods import nash_md
from burnish.records import Completion, Feedback, Prompt, Score, Span

DOUBLE = torch.float64
NAN = float("nan")
CIRCLE = torch.tensor([[0.5, 0.9, 0.2], [0.1, 0.5, 0.7], [0.8, 0.3, 0.5]], dtype=DOUBLE)
"""P(row preferred to column): 0 beats 1, 1 beats 2, 2 beats 0: no reward can say this."""


def preferences(here) -> torch.Tensor:
    return torch.sigmoid(here.rewards[:, None] - here.rewards)


def test_opponents_are_drawn_from_the_geometric_mixture():
    says = Says(torch.tensor([[0.0, 2.0, 5.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    found = nash_md.behaviour(says, nash_md.Config(mixture=0.25)).softmax(-1)
    expected = (says.logits_BV.softmax(-1) ** 0.75) * (says.reference_logits_BV.softmax(-1) ** 0.25)
    assert torch.allclose(found, expected / expected.sum())
    ends = [nash_md.behaviour(says, nash_md.Config(mixture=m)).softmax(-1) for m in (0.0, 1.0)]
    assert torch.allclose(ends[0], says.logits_BV.softmax(-1))
    assert torch.allclose(ends[1], says.reference_logits_BV.softmax(-1))


def test_each_learner_is_scored_by_its_win_rate_over_the_group(world):
    here = world(longest=2)
    opponents = Example((here.row(1), here.row(2), here.row(3, score=NAN)))
    (found,) = nash_md.choose([opponents], nash_md.Config(scale=2.0), here.tools())
    assert len(found.rows) == 3
    for row in found.rows:
        gaps = (here.value_of(row.completion) - here.rewards[[1, 2]]) / 2.0
        assert row.score == pytest.approx(float(gaps.sigmoid().mean()))
        assert row.fresh
        assert row.completion.logprobs is not None  # the policy's own


def test_the_learners_are_drawn_independently_of_the_opponents(world):
    """With the same seed they would be the same completions, and every win rate 1/2."""
    here = world(longest=2)
    config = nash_md.Config(mixture=0.0)
    n = 64
    opponents = here.drawn(n, seed=5, method=nash_md, config=config)
    (found,) = nash_md.choose([opponents], config, here.tools(seed=5))
    same = sum(a.completion.text == b.completion.text for a, b in zip(opponents.rows, found.rows, strict=True))
    chance = float(here.chances().detach().square().sum())
    assert abs(same / n - chance) < 4 * (chance / n) ** 0.5


class Judge:
    """Prefers as the circle says, for certain; says nothing about completion 2."""

    def __init__(self, here):
        self.here = here

    def judge(self, prompts, completions):
        found = []
        for prompt, pair in zip(prompts, completions, strict=True):
            a, b = (self.here.tokens.index(c.token_ids) for c in pair)
            better = int(CIRCLE[a, b] < 0.5)
            silent = 2 in (a, b)
            found.append(
                None
                if silent
                else Feedback("f", "comparison", prompt.id, tuple(c.id for c in pair), {"chosen": better})
            )
        return found


def test_a_judge_compares_each_with_one_and_its_silence_is_no_score(world):
    here = world(vocabulary=3, longest=1)
    tools = here.tools(judge=Judge(here), reward=None)
    config = nash_md.Config(preference="judge")
    opponents = Example(tuple(here.row(1, score=NAN) for _ in range(12)))
    (found,) = nash_md.choose([opponents], config, tools)
    told = {here.tokens.index(row.completion.token_ids): row.score for row in found.rows}
    assert told[0] == 1.0
    assert told[2] != told[2]
    assert tools.left_out["no preference"] == sum(here.tokens.index(r.completion.token_ids) == 2 for r in found.rows)
    with pytest.raises(InputError, match="judge"):
        nash_md.choose([opponents], config, Tools(policy=here.policy.sampler()))


def test_its_mean_is_the_gradient_of_the_regularised_win_rate(world):
    here = world()
    config = nash_md.Config(mixture=0.3, beta=0.2, baseline="none")
    mixed = here.policy.probabilities(here.prompt, act=lambda says: nash_md.behaviour(says, config)).detach()
    rates = preferences(here) @ mixed
    p = here.chances()
    true = here.gradient((p * rates).sum() - 0.2 * here.divergence())
    found = here.expected(nash_md, config, lambda batch: replace(batch, rewards_B=rates))
    assert torch.allclose(here.gradient(4 * found), -true, atol=1e-12)
    assert true.norm() > 0.01


def in_parts(here):
    """Scores of all completions in parts: what each token is worth after those before it, whatever comes later."""
    begun = sorted({tokens[: place + 1] for tokens in here.tokens for place in range(len(tokens))})
    worth = dict(zip(begun, torch.randn(len(begun), generator=torch.Generator().manual_seed(3)).tolist(), strict=True))
    found = []
    for number, tokens in enumerate(here.tokens):
        completion = here.row(number).completion
        spans = [
            Span(2 * i, 2 * i + 1, severity=worth[tokens[: i + 1]]) for i in range(len(tokens)) if i != 1
        ]  # the second token's worth is paid at the end, as what is left
        total = sum(worth[tokens[: i + 1]] for i in range(len(tokens)))
        found.append(Score(here.prompt, completion, total, token_rewards=tuple(reversed(spans))))
    return found


def test_parts_are_paid_what_they_change_and_the_mean_gradient_is_that_of_the_whole(world):
    """By enumeration: no token answers for what was won before it, and none of what it won is lost."""
    here = world(longest=3)
    scores = in_parts(here)
    config = nash_md.Config(beta=0.2, baseline="none", scale=0.7)
    against = [0.4, -1.0, 2.0]
    won = [nash_md._won(score, against, config.scale) for score in scores]
    rates = torch.tensor([each.rate for each in won], dtype=DOUBLE)
    assert rates.tolist() == pytest.approx([nash_md.win_rate(score.value, against, 0.7) for score in scores])

    def descent(rows):
        batch, outputs = here.window([[row] for row in rows])
        assert torch.allclose(paid_rewards(batch).sum(-1), rates, atol=1e-12)  # the parts and the rest are the rate
        share_B, metrics = nash_md.loss(batch := nash_md.targets(batch, config), outputs, config)
        assert torch.allclose(metrics["win_rate"].double(), rates, atol=1e-6)
        loss = (here.chances().detach() * share_B).sum() * batch.scalars["completions"]
        return here.gradient(4 * loss), batch.advantages_BT

    whole, _ = descent([here.row(i, score=each.rate) for i, each in enumerate(won)])
    parts, said = descent([here.row(i, score=each.rate, token_rewards=each.parts) for i, each in enumerate(won)])
    true = here.gradient((here.chances() * rates).sum() - 0.2 * here.divergence())
    assert torch.allclose(parts, -true, atol=1e-12)
    assert torch.allclose(whole, -true, atol=1e-12)
    assert (said[:, 0] - said[:, 1]).abs().max() > 0.05  # what the first token won, the second does not answer for


def test_a_part_is_paid_what_it_changes_of_the_win_rate_in_the_order_of_the_text():
    prompt = Prompt.of("?")
    late, soon = Span(4, 6, severity=-2.0), Span(0, 3, severity=1.0)
    score = Score(prompt, Completion(prompt.id, "a text"), 0.5, token_rewards=(late, soon))
    won = nash_md._won(score, [0.0, 0.5], 2.0)

    def rate(value: float) -> float:
        return (1 / (1 + math.exp(-value / 2)) + 1 / (1 + math.exp(-(value - 0.5) / 2))) / 2

    assert won.rate == pytest.approx(rate(0.5))
    assert [(part.start, part.end) for part in won.parts] == [(0, 3), (4, 6)]
    paid = [part.severity for part in won.parts]
    assert paid == pytest.approx([rate(1.0) - rate(0.0), rate(-1.0) - rate(1.0)])
    unknown = nash_md._won(Score(prompt, score.completion, None), [0.0], 1.0)
    assert math.isnan(unknown.rate)
    assert unknown.parts == nash_md._won(Score(prompt, score.completion, 1.0), [0.0], 1.0).parts == ()


def test_preferences_in_a_circle_end_at_the_regularised_equilibrium(world):
    """pi ~ ref exp(P(., pi_mix) / beta), reached from somewhere else by following the exact gradient."""
    here = world(vocabulary=3, longest=1)
    config = nash_md.Config(mixture=0.125, beta=0.2, baseline="none")
    reference = here.policy.probabilities(here.prompt, reference=True)
    for _ in range(60):
        mixed = here.policy.probabilities(here.prompt, act=lambda says: nash_md.behaviour(says, config)).detach()
        found = here.expected(nash_md, config, lambda batch, rates=CIRCLE @ mixed: replace(batch, rewards_B=rates))
        here.logits.data -= 12.0 * here.gradient(found)
    answer = reference * torch.exp(CIRCLE @ mixed / 0.2)
    assert torch.allclose(here.chances(), answer / answer.sum(), atol=1e-6)
    assert here.chances().min() > 0.1  # nobody is left out: there is no favourite


def test_it_learns_and_its_twin_does_not(world, twin):
    config = nash_md.Config(beta=0.0)
    here = world(longest=2)
    best, before = float(here.rewards.max()), here.mean_reward()
    assert here.learn(nash_md, config, steps=40, n=8) > best - 0.05 * (best - before)
    assert world(longest=2).learn(twin(nash_md), config, steps=10) < before


def test_the_win_rate_is_told_and_the_half_is_taken_off(world):
    here = world(longest=2)
    made, outputs = here.window([[here.row(1, score=0.75)], [here.row(2, score=0.25)]])
    config = nash_md.Config(beta=0.0, baseline="none")
    made = nash_md.targets(made, config)
    assert made.advantages_BT[:, 0].tolist() == pytest.approx([0.25, -0.25])
    assert nash_md.loss(made, outputs, config)[1]["win_rate"].tolist() == [0.75, 0.25]
    assert "reference" in nash_md.needs(config).views


@pytest.mark.parametrize("setting", [{"mixture": 1.5}, {"beta": NAN}, {"scale": 0.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        nash_md.Config(**setting)
